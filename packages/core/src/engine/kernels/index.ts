// The table of TensorFlow.js kernels: importing this folder fills it.

import "./arrange.js";
import "./elementwise.js";
import "./fill.js";
import "./gather.js";
import "./matMul.js";
import "./reduce.js";
