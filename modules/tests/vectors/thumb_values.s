@ Addresses and distances in MOVW and MOVT of Thumb code.
@ as: -march=armv7-a
@ ld: --section-start=.low=0x3f123400 --section-start=.place=0xbf000000
@ ld: --section-start=.near=0xbf010000 --section-start=.variables=0xbf030000
@ ld: --section-start=.remote=0xf0fedcb0

        .syntax unified
        .thumb
        .weak   nobody

        .macro  functions where
        .arm
        .type   \where\()_arm, %function
\where\()_arm:
        bx      lr
        .thumb
        .thumb_func
        .type   \where\()_thumb, %function
\where\()_thumb:
        bx      lr
        .thumb_func
        .type   \where\()_thumb_odd, %function
\where\()_thumb_odd:
        bx      lr
        .endm

        .section .near, "ax"
        functions near
        .section .low, "ax"
        functions low
        .section .remote, "ax"
        functions remote

        .section .variables, "aw"
        .byte   0
        .type   odd_variable, %object
odd_variable:
        .byte   1
        .short  2
        .type   variable, %object
variable:
        .word   3

        .macro  moves symbol
        movw    r0, #:lower16:\symbol
        movt    r0, #:upper16:\symbol
        movw    ip, #:lower16:\symbol
        movt    ip, #:upper16:\symbol
        movw    lr, #:lower16:(\symbol - .)
        movt    lr, #:upper16:(\symbol - .)
        movw    r7, #:lower16:(\symbol - .)
        movt    r7, #:upper16:(\symbol - .)
        .endm

        .section .place, "ax"
        moves   near_arm
        moves   near_thumb
        moves   near_thumb_odd
        moves   low_arm
        moves   low_thumb_odd
        nop
        moves   remote_arm
        moves   remote_thumb
        moves   variable
        moves   odd_variable
        .irp    addend, 1, 2, 0x20, 0x7fff, -1, -2, -0x20, -0x8000
        movw    r1, #:lower16:(variable + \addend)
        movt    r1, #:upper16:(variable + \addend)
        movw    r2, #:lower16:(near_thumb + \addend)
        movt    r2, #:upper16:(near_thumb + \addend)
        .endr
        movw    r3, #:lower16:nobody
        movt    r3, #:upper16:nobody
