@ Carries out a move and enters the image at its new place. Copied to a page of its own, which is
@ mapped at its physical address and which no copy overwrites.

    .syntax unified
    .arm

    .section .text.vmsplit_leave_caches, "ax", %progbits
    .global vmsplit_leave_caches
    @ r0: where to jump to, an address that means the same with the MMU off. Turns the D-cache off
    @ and cleans and invalidates it by set and way, level by level up to the point of coherency
    @ (ARM DDI 0406C, B2.2.4 and B4.2.1). Uses no stack: with the cache off, what a stack in it
    @ holds could not be read.
vmsplit_leave_caches:
    mov     r12, r0
    mrc     p15, 0, r0, c1, c0, 0
    bic     r0, r0, #4              @ SCTLR.C
    mcr     p15, 0, r0, c1, c0, 0
    isb
    dmb
    mrc     p15, 1, r0, c0, c0, 1   @ CLIDR
    ubfx    r1, r0, #24, #3         @ level of coherency
    mov     r2, #0                  @ level << 1
1:  cmp     r2, r1, lsl #1
    bhs     5f
    add     r3, r2, r2, lsr #1
    lsr     r3, r0, r3
    and     r3, r3, #7
    cmp     r3, #2                  @ a data or unified cache at this level?
    blo     4f
    mcr     p15, 2, r2, c0, c0, 0   @ CSSELR
    isb
    mrc     p15, 1, r3, c0, c0, 0   @ CCSIDR
    and     r4, r3, #7
    add     r4, r4, #4              @ log2 of the line size in bytes
    ubfx    r5, r3, #3, #10         @ ways - 1
    clz     r6, r5                  @ where the way stands in the operand
    ubfx    r7, r3, #13, #15        @ sets - 1
2:  mov     r8, r5
3:  orr     r9, r2, r7, lsl r4
    lsl     r10, r8, r6
    orr     r9, r9, r10
    mcr     p15, 0, r9, c7, c14, 2  @ DCCISW
    subs    r8, r8, #1
    bhs     3b
    subs    r7, r7, #1
    bhs     2b
4:  add     r2, r2, #2
    b       1b
5:  dsb
    isb
    bx      r12

    .section .rodata.vmsplit_mover, "a", %progbits
    .balign 4
    .global __mover_start
    .global __mover_end
    .global __mover_job
__mover_start:
    mrc     p15, 0, r0, c1, c0, 0
    bic     r0, r0, #0x1000         @ I
    bic     r0, r0, #0x5            @ C, M
    mcr     p15, 0, r0, c1, c0, 0
    isb
    mov     r0, #0
    mcr     p15, 0, r0, c8, c7, 0   @ TLBIALL
    mcr     p15, 0, r0, c7, c5, 0   @ ICIALLU
    dsb
    isb
    adr     r10, __mover_job
    ldmia   r10!, {{r2, r3, r11, r12}}  @ device tree, initrd, entry, number of copies
1:  cmp     r12, #0
    beq     8f
    sub     r12, r12, #1
    ldmia   r10!, {{r4, r5, r6}}        @ from, to, bytes
    orr     r7, r4, r5
    orr     r7, r7, r6
    tst     r7, #3
    mov     r7, #4                  @ by words where everything is a multiple of 4,
    movne   r7, #1                  @ else by bytes: unaligned words fault without an MMU
    cmp     r4, r5
    blo     4f
2:  cmp     r6, #0                  @ downwards: first byte first
    beq     1b
    cmp     r7, #4
    ldreq   r8, [r4], #4
    streq   r8, [r5], #4
    ldrbne  r8, [r4], #1
    strbne  r8, [r5], #1
    sub     r6, r6, r7
    b       2b
4:  add     r4, r4, r6              @ upwards: last byte first
    add     r5, r5, r6
5:  cmp     r6, #0
    beq     1b
    cmp     r7, #4
    ldreq   r8, [r4, #-4]!
    streq   r8, [r5, #-4]!
    ldrbne  r8, [r4, #-1]!
    strbne  r8, [r5, #-1]!
    sub     r6, r6, r7
    b       5b
8:  dsb
    isb
    bx      r11
    .balign 4
__mover_job:
    .space  {job_bytes}
__mover_end:
