/* The compiler's attributes by the kernel's names. */
#pragma once

#define __aligned(bytes) __attribute__((__aligned__(bytes)))
#define __always_inline inline __attribute__((__always_inline__))
#define __attribute_const__ __attribute__((__const__))
#define __cold __attribute__((__cold__))
#define __copy(symbol) __attribute__((__copy__(symbol)))
#define __malloc __attribute__((__malloc__))
#define __maybe_unused __attribute__((__unused__))
#define __must_check __attribute__((__warn_unused_result__))
#define __noreturn __attribute__((__noreturn__))
#define __packed __attribute__((__packed__))
#define __printf(format, first) __attribute__((__format__(__printf__, format, first)))
#define __pure __attribute__((__pure__))
#define __section(name) __attribute__((__section__(name)))
#define __used __attribute__((__used__))
#define __weak __attribute__((__weak__))
#define noinline __attribute__((__noinline__))

#if __has_attribute(__fallthrough__)
#define fallthrough __attribute__((__fallthrough__))
#else
#define fallthrough do { } while (0)
#endif

/* Marks for a checker that reads Linux' sources. The compiler needs none of them. */
#define __user
#define __kernel
#define __iomem
#define __percpu
#define __rcu
#define __force
#define __bitwise
#define __must_hold(lock)
#define __acquires(lock)
#define __releases(lock)
