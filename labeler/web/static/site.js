// Everything works without this file; it only saves a reload.
"use strict";
