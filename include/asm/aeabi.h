/* What a compiler calls that no source names: the Run-time ABI for the ARM Architecture (IHI 0043), chapters
 * 4.2, 4.3, and the personality routines of the Exception Handling ABI (IHI 0038, 9.3), which objects name
 * for their tables' sake and nobody calls here.
 *
 * No source includes this header. It stands here with the others so that they name everything that an object
 * may ask the kernel for. The functions that return two numbers do so in r0 to r3, as no C type says. */
#pragma once

/* Division of 32-bit numbers; the mod forms leave the remainder in r1. */
int __aeabi_idiv(int dividend, int divisor);
unsigned int __aeabi_uidiv(unsigned int dividend, unsigned int divisor);
void __aeabi_idivmod(int dividend, int divisor);
void __aeabi_uidivmod(unsigned int dividend, unsigned int divisor);

/* 64-bit numbers; the mod forms leave the remainder in r2 and r3. */
void __aeabi_ldivmod(long long dividend, long long divisor);
void __aeabi_uldivmod(unsigned long long dividend, unsigned long long divisor);
long long __aeabi_lmul(long long one, long long other);
long long __aeabi_llsl(long long number, int bits);
unsigned long long __aeabi_llsr(unsigned long long number, int bits);
long long __aeabi_lasr(long long number, int bits);
int __aeabi_lcmp(long long one, long long other);
int __aeabi_ulcmp(unsigned long long one, unsigned long long other);

/* Memory. A number says what every pointer is a multiple of. */
void __aeabi_memcpy(void *to, const void *from, unsigned int bytes);
void __aeabi_memcpy4(void *to, const void *from, unsigned int bytes);
void __aeabi_memcpy8(void *to, const void *from, unsigned int bytes);
void __aeabi_memmove(void *to, const void *from, unsigned int bytes);
void __aeabi_memmove4(void *to, const void *from, unsigned int bytes);
void __aeabi_memmove8(void *to, const void *from, unsigned int bytes);
void __aeabi_memset(void *to, unsigned int bytes, int byte);
void __aeabi_memset4(void *to, unsigned int bytes, int byte);
void __aeabi_memset8(void *to, unsigned int bytes, int byte);
void __aeabi_memclr(void *to, unsigned int bytes);
void __aeabi_memclr4(void *to, unsigned int bytes);
void __aeabi_memclr8(void *to, unsigned int bytes);

/* GCC's own, where a CPU has no instruction for it. */
int __clzsi2(unsigned int number);
int __clzdi2(unsigned long long number);
int __ctzsi2(unsigned int number);
int __ctzdi2(unsigned long long number);
unsigned int __bswapsi2(unsigned int number);
unsigned long long __bswapdi2(unsigned long long number);

/* Unwinding. */
void __aeabi_unwind_cpp_pr0(void);
void __aeabi_unwind_cpp_pr1(void);
void __aeabi_unwind_cpp_pr2(void);
