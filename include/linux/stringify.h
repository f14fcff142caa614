/* `__stringify`. */
#pragma once

#include <linux/compiler.h>
