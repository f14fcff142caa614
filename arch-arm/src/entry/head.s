@ The image's first bytes, and the way from the boot loader to kernel_main.
@
@ Boot protocol (Linux, Documentation/arch/arm/booting.rst): r0 = 0, r1 = machine type, r2 = device
@ tree or 0; MMU and D-cache off and clean; SVC or HYP mode. The header makes the raw image a
@ zImage to a boot loader: eight no-ops, a branch, the magic number, start, end, byte order.
@
@ Until kernel_main nothing here uses a stack. Held throughout:
@   r4  early first-level table (physical)     r8  physical minus linked address of the image
@   r5  __image_start (linked)                 r9  r2 of the boot protocol
@   r6  __image_end (linked), later a jump     r10 r1 of the boot protocol
@   r7  next free early second-level table     r11 where the initrd was moved to, or 0

    .syntax unified
    .arm

    .section .head.text, "ax", %progbits
    .global _head
_head:
    .rept 8
    mov     r0, r0
    .endr
    b       _entry
    .word   0x016f2818              @ zImage magic, at 0x24
    .word   0                       @ start: position-independent
    .word   __image_size            @ end
    .word   0x04030201              @ little-endian, at 0x30

    @ Turns the MMU on and jumps to r1. In the image's first page, and copied to its last.
    .balign 32                      @ three words that no page border divides
turn_mmu_on:
    mcr     p15, 0, r0, c1, c0, 0
    isb
    bx      r1

    .section .init.text, "ax", %progbits
    .global _entry_moved
    @ The mover comes in here: r2 = device tree, r3 = initrd or 0.
_entry_moved:
    mov     r11, r3
    b       1f
_entry:
    mov     r11, #0
    @ Event counter 0 counts the instructions executed from here on, in every mode, if there are
    @ monitors of version 1 or 2 and they have an event counter. An image that was moved goes on
    @ counting.
    mrc     p15, 0, r3, c0, c1, 2   @ ID_DFR0
    ubfx    r3, r3, #24, #4         @ PerfMon
    sub     r3, r3, #1
    cmp     r3, #1
    bhi     1f
    mrc     p15, 0, r3, c9, c12, 0  @ PMCR
    tst     r3, #0xf800             @ N
    beq     1f
    mov     r3, #0
    mcr     p15, 0, r3, c9, c12, 5  @ PMSELR
    isb
    movw    r3, #0x0008             @ instruction architecturally executed
    movt    r3, #0x0800             @ NSH: in HYP mode, too
    mcr     p15, 0, r3, c9, c13, 1  @ PMXEVTYPER
    mov     r3, #1
    mcr     p15, 0, r3, c9, c12, 3  @ PMOVSR: it has not wrapped
    mcr     p15, 0, r3, c9, c12, 1  @ PMCNTENSET
    mov     r3, #3
    mcr     p15, 0, r3, c9, c12, 0  @ PMCR: event counters zeroed, counting on
1:  cpsid   aif
    mov     r9, r2
    mov     r10, r1
    mrs     r0, cpsr
    and     r0, r0, #0x1f
    cmp     r0, #0x1a
    beq     .Lleave_hyp
    cps     #0x13

.Lin_svc:
    mrc     p15, 0, r0, c1, c0, 0   @ SCTLR: MMU and caches off, whatever a loader left
    bic     r0, r0, #0x1000
    bic     r0, r0, #0x5
    mcr     p15, 0, r0, c1, c0, 0
    isb
    mov     r0, #0
    mcr     p15, 0, r0, c8, c7, 0   @ TLBIALL
    mcr     p15, 0, r0, c7, c5, 0   @ ICIALLU
    mcr     p15, 0, r0, c7, c5, 6   @ BPIALL
    dsb
    isb
    @ A core with the Multiprocessing Extensions caches shareable memory only once it takes part in
    @ coherency: ACTLR.SMP on the Cortex-A5, A7, A9, A15 and A17. Where secure firmware keeps the
    @ register to itself, it has set the bit, and a write of the same value would be ignored.
    mrc     p15, 0, r0, c0, c0, 5   @ MPIDR
    tst     r0, #0x80000000
    beq     2f
    mrc     p15, 0, r0, c1, c0, 1   @ ACTLR
    tst     r0, #0x40
    orreq   r0, r0, #0x40
    mcreq   p15, 0, r0, c1, c0, 1
    isb
2:
    adr     r0, .Lanchor
    ldr     r1, [r0]
    sub     r8, r0, r1
    movw    r5, #:lower16:__image_start
    movt    r5, #:upper16:__image_start
    movw    r6, #:lower16:__image_end
    movt    r6, #:upper16:__image_end
    lsls    r0, r8, #20
    bne     .Lmisaligned

    movw    r0, #:lower16:__bss_start
    movt    r0, #:upper16:__bss_start
    movw    r1, #:lower16:__bss_end
    movt    r1, #:upper16:__bss_end
    add     r0, r0, r8
    add     r1, r1, r8
    mov     r2, #0
    mov     r3, #0
    mov     r4, #0
    mov     r7, #0
3:  cmp     r0, r1                  @ both are multiples of 16
    stmialo r0!, {{r2, r3, r4, r7}}
    blo     3b

    @ TTBR0 wants a multiple of 16 KiB, which the linked address says nothing about: the image may
    @ lie on any page. The room is 12 KiB larger than the table.
    movw    r4, #:lower16:__early_l1
    movt    r4, #:upper16:__early_l1
    add     r4, r4, r8
    movw    r0, #0x3fff
    add     r4, r4, r0
    bic     r4, r4, r0
    movw    r7, #:lower16:__early_l2_pool
    movt    r7, #:upper16:__early_l2_pool
    add     r7, r7, r8
    mov     r0, r5
4:  add     r1, r0, r8
    bl      .Lmap_page
    add     r0, r0, #4096
    cmp     r0, r6
    blo     4b

    @ The code that turns the MMU on needs its page mapped at its own physical address too, and that
    @ address may be a linked address of the image. Of an image below its linked place, the first
    @ page is not; of one above, the last page is not; in its linked place the image is its own
    @ identity map.
    movw    r6, #:lower16:turn_mmu_on
    movt    r6, #:upper16:turn_mmu_on
    add     r6, r6, r8              @ from here on r6 is where to jump to
    add     r0, r5, r8
    cmp     r0, r5
    beq     6f
    blo     5f
    movw    r0, #:lower16:__entry_tail_page
    movt    r0, #:upper16:__entry_tail_page
    add     r0, r0, r8
    ldm     r6, {{r1, r2, r3}}
    stm     r0, {{r1, r2, r3}}
    mov     r6, r0
5:  mov     r1, r0
    bl      .Lmap_page
6:
    mov     r0, #0
    mcr     p15, 0, r0, c2, c0, 2   @ TTBCR: short descriptors, and TTBR0 translates everything
    isb                             @ with EAE set, the next two would be other registers
    movw    r0, #({prrr} & 0xffff)
    movt    r0, #({prrr} >> 16)
    mcr     p15, 0, r0, c10, c2, 0
    movw    r0, #({nmrr} & 0xffff)
    movt    r0, #({nmrr} >> 16)
    mcr     p15, 0, r0, c10, c2, 1
    mov     r0, #0
    mcr     p15, 0, r0, c13, c0, 1  @ CONTEXTIDR: ASID 0
    orr     r0, r4, #{ttbr}
    mcr     p15, 0, r0, c2, c0, 0   @ TTBR0
    mcr     p15, 0, r0, c2, c0, 1   @ TTBR1
    mov     r0, #{dacr}
    mcr     p15, 0, r0, c3, c0, 0   @ DACR
    dsb
    isb
    mrc     p15, 0, r0, c1, c0, 0
    movw    r1, #({sctlr_clear} & 0xffff)
    movt    r1, #({sctlr_clear} >> 16)
    bic     r0, r0, r1
    movw    r1, #({sctlr_set} & 0xffff)
    movt    r1, #({sctlr_set} >> 16)
    orr     r0, r0, r1
    movw    r1, #:lower16:.Lmapped
    movt    r1, #:upper16:.Lmapped
    bx      r6

.Lmapped:
    movw    sp, #:lower16:__boot_stack_top
    movt    sp, #:upper16:__boot_stack_top
    add     r2, r5, r8
    @ struct BootRegisters, and a frame that ends every back-trace
    push    {{r10}}
    push    {{r2}}
    push    {{r11}}
    push    {{r9}}
    mov     r0, sp
    mov     fp, #0
    mov     lr, #0
    b       kernel_main

    @ Maps the page at r0 (virtual) to r1 (physical), with all rights. Changes r2, r3, r12.
.Lmap_page:
    lsr     r2, r0, #20
    ldr     r3, [r4, r2, lsl #2]
    tst     r3, #1
    bne     7f
    mov     r3, r7
    add     r7, r7, #1024
    orr     r3, r3, #1              @ second-level table, domain 0
    str     r3, [r4, r2, lsl #2]
7:  bfc     r3, #0, #10
    ubfx    r2, r0, #12, #8
    movw    r12, #{page}
    orr     r12, r12, r1
    str     r12, [r3, r2, lsl #2]
    bx      lr

    @ HYP mode: let SVC mode have everything, and go there (ARM DDI 0406C, B1.8.2, B8.1).
    .arch_extension virt
.Lleave_hyp:
    mov     r0, #0
    mcr     p15, 4, r0, c1, c1, 0   @ HCR: nothing is trapped, no second stage
    mcr     p15, 4, r0, c1, c1, 3   @ HSTR: no CP15 access is trapped
    movw    r0, #0x33ff
    mcr     p15, 4, r0, c1, c1, 2   @ HCPTR: its ones, and no trap of CP10 and CP11
    mrc     p15, 4, r0, c1, c1, 1
    and     r0, r0, #0x1f
    mcr     p15, 4, r0, c1, c1, 1   @ HDCR: PL1 keeps its HPMN counters, and nothing is trapped
    mrc     p15, 4, r0, c14, c1, 0
    orr     r0, r0, #3
    mcr     p15, 4, r0, c14, c1, 0  @ CNTHCTL: PL1 may use the physical timer
    mov     r0, #0
    mcrr    p15, 4, r0, r0, c14     @ CNTVOFF: virtual time is physical time
    mrc     p15, 0, r0, c0, c0, 0
    mcr     p15, 4, r0, c0, c0, 0   @ VPIDR
    mrc     p15, 0, r0, c0, c0, 5
    mcr     p15, 4, r0, c0, c0, 5   @ VMPIDR
    mov     r0, #0x1d3              @ SVC mode; asynchronous aborts, IRQ and FIQ masked
    msr     spsr_cxsf, r0
    adr     r0, .Lin_svc
    msr     elr_hyp, r0
    eret

    @ The image does not lie on a page boundary, so no table can map it: say so and stop.
.Lmisaligned:
    movw    r0, #:lower16:vmsplit_early_uart
    movt    r0, #:upper16:vmsplit_early_uart
    ldr     r0, [r0, r8]
    cmp     r0, #0
    beq     9f
    adr     r1, .Lmisaligned_text
8:  ldrb    r2, [r1], #1
    cmp     r2, #0
    beq     9f
7:  ldr     r3, [r0, #0x18]         @ PL011 flags
    tst     r3, #0x20               @ transmit FIFO full
    bne     7b
    str     r2, [r0]
    b       8b
9:  wfi
    b       9b
.Lmisaligned_text:
    .asciz  "\r\nvmsplit: halted: the image was loaded at an address that is not a multiple of 4096\r\n"

    .balign 4
.Lanchor:
    .word   .Lanchor
