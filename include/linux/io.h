/* Registers of devices. */
#pragma once

#include <linux/types.h>
#include <asm/io.h>
