@ Carries out a move and enters the image at its new place. Copied to a page of its own, which is
@ mapped at its physical address and which no copy overwrites.

    .syntax unified
    .arm

    .section .text.vmsplit_leave_caches, "ax", %progbits
    .global vmsplit_leave_caches
    @ r0: where to jump to, an address that means the same with the MMU off. Turns the caches off
    @ first and writes them out then, so that nothing becomes dirty, and no line of the image that
    @ is about to be overwritten is filled, in between; no stack is used, because what a stack in
    @ the cache holds could not be read.
vmsplit_leave_caches:
    mov     r4, r0
    mrc     p15, 0, r0, c1, c0, 0
    bic     r0, r0, #0x1000         @ SCTLR.I
    bic     r0, r0, #4              @ SCTLR.C
    mcr     p15, 0, r0, c1, c0, 0
    isb
    bl      {clean_invalidate_all}
    mov     r0, #0
    mcr     p15, 0, r0, c7, c5, 0   @ ICIALLU: the target was written just now
    mcr     p15, 0, r0, c7, c5, 6   @ BPIALL
    dsb
    isb
    bx      r4

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
    cmp     r7, #4                  @ downwards: first byte first
    bne     2f
3:  subs    r6, r6, #96             @ 24 words at a time, six by six, as long as there are 24
    .rept   4
    ldmiahs r4!, {{r0, r1, r7, r8, r9, lr}}
    stmiahs r5!, {{r0, r1, r7, r8, r9, lr}}
    .endr
    bhs     3b
    add     r6, r6, #96
    mov     r7, #4
2:  cmp     r6, #0
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
    cmp     r7, #4
    bne     5f
6:  subs    r6, r6, #96
    .rept   4
    ldmdbhs r4!, {{r0, r1, r7, r8, r9, lr}}
    stmdbhs r5!, {{r0, r1, r7, r8, r9, lr}}
    .endr
    bhs     6b
    add     r6, r6, #96
    mov     r7, #4
5:  cmp     r6, #0
    beq     1b
    cmp     r7, #4
    ldreq   r8, [r4, #-4]!
    streq   r8, [r5, #-4]!
    ldrbne  r8, [r4, #-1]!
    strbne  r8, [r5, #-1]!
    sub     r6, r6, r7
    b       5b
8:  mov     r1, #0                  @ no machine type
    dsb
    isb
    bx      r11
    .balign 4
__mover_job:
    .space  {job_bytes}
__mover_end:
