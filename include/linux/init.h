/* What is needed once. The loader keeps sections `.init.*` in an area of their own, and gives it back when
 * the init function has returned. */
#pragma once

#include <linux/compiler.h>

#define __init __section(".init.text") __cold
#define __initdata __section(".init.data")
#define __initconst __section(".init.rodata")
#define __exit __section(".exit.text") __cold
#define __exitdata __section(".exit.data")
#define __exit_p(function) (function)
#define __init_or_module
#define __initdata_or_module
#define __ref
#define __refdata
#define __refconst
/* Data like any other here: it stays writable. */
#define __ro_after_init
#define __read_mostly

typedef int (*initcall_t)(void);
typedef void (*exitcall_t)(void);
