/* A device. A module has none: NULL is the one that the functions of <linux/dma-mapping.h> take. */
#pragma once

#include <linux/compiler.h>
#include <linux/printk.h>
#include <linux/types.h>

struct device;

#define __dev_printk(level, device, format, ...) \
	((void)(device), printk(level KBUILD_MODNAME ": " format, ##__VA_ARGS__))

#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME "module"
#endif

#define dev_err(device, format, ...) __dev_printk(KERN_ERR, device, format, ##__VA_ARGS__)
#define dev_warn(device, format, ...) __dev_printk(KERN_WARNING, device, format, ##__VA_ARGS__)
#define dev_notice(device, format, ...) __dev_printk(KERN_NOTICE, device, format, ##__VA_ARGS__)
#define dev_info(device, format, ...) __dev_printk(KERN_INFO, device, format, ##__VA_ARGS__)
#define dev_dbg(device, format, ...) \
	((void)(device), no_printk(KERN_DEBUG KBUILD_MODNAME ": " format, ##__VA_ARGS__))
