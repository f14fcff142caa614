/* The version of Linux whose interfaces these headers follow. What the kernel itself is called, and what
 * it holds a module to, is VERMAGIC_STRING of <linux/module.h>. */
#pragma once

#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + (patch))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 1, 0)
