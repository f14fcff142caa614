/* `BUILD_BUG_ON`. */
#pragma once

#include <linux/compiler.h>
