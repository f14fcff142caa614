@ Addresses and distances in data and in MOVW and MOVT of ARM code.
@ as: -march=armv7-a
@ ld: --section-start=.low=0x7f123400 --section-start=.place=0xbf000000
@ ld: --section-start=.near=0xbf010000 --section-start=.table=0xbf020000
@ ld: --section-start=.variables=0xbf030000 --section-start=.remote=0xf0fedcb0
@ ld: --target1-abs

        .syntax unified
        .arm
        .weak   nobody

        .macro  functions where
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
        .arm
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
        movwne  ip, #:lower16:\symbol
        movtne  ip, #:upper16:\symbol
        movw    lr, #:lower16:(\symbol - .)
        movt    lr, #:upper16:(\symbol - .)
        movwhi  r7, #:lower16:(\symbol - .)
        movths  r7, #:upper16:(\symbol - .)
        .endm

        .section .place, "ax"
        moves   near_arm
        moves   near_thumb
        moves   near_thumb_odd
        moves   low_arm
        moves   low_thumb_odd
        moves   remote_arm
        moves   remote_thumb
        moves   variable
        moves   odd_variable
@ The field holds 16 bits, with a sign; upper halves carry.
        .irp    addend, 1, 2, 0x20, 0x7fff, -1, -2, -0x20, -0x8000
        movw    r1, #:lower16:(variable + \addend)
        movt    r1, #:upper16:(variable + \addend)
        movw    r2, #:lower16:(near_thumb + \addend)
        movt    r2, #:upper16:(near_thumb + \addend)
        .endr
        movw    r3, #:lower16:nobody
        movt    r3, #:upper16:nobody
        .reloc  ., R_ARM_V4BX
        bx      lr
        .reloc  ., R_ARM_V4BX
        bxne    r3
        .reloc  ., R_ARM_NONE, near_arm

        .section .table, "a"
        .macro  words symbol
        .word   \symbol
        .word   \symbol + 4
        .word   \symbol - 4
        .word   \symbol - 0x12345678
        .word   \symbol(TARGET1)
        .word   \symbol - .
        .word   \symbol + 0x10 - .
        .word   \symbol - 0x1000 - .
        .endm
        words   near_arm
        words   near_thumb
        words   near_thumb_odd
        words   low_arm
        words   low_thumb_odd
        words   remote_arm
        words   remote_thumb
        words   variable
        words   odd_variable
        .word   nobody
        .word   nobody + 4
        .word   nobody(TARGET1)
        .word   nobody - .

@ 31 bits, bit 31 of the word stays.
        .macro  distances symbol
        .reloc  ., R_ARM_PREL31, \symbol
        .word   0
        .reloc  ., R_ARM_PREL31, \symbol
        .word   8
        .reloc  ., R_ARM_PREL31, \symbol
        .word   0x80000000
        .reloc  ., R_ARM_PREL31, \symbol
        .word   0xfffffff0
        .reloc  ., R_ARM_PREL31, \symbol
        .word   0x7ffffff0
        .endm
        distances near_arm
        distances near_thumb
        distances near_thumb_odd
        distances low_arm
        distances low_thumb
        distances remote_arm
        distances remote_thumb_odd
        distances variable

@ Packed. At an odd place GNU ld 2.40 sets bit 0 after it has subtracted: see the unit tests.
        .byte   0
        .4byte  near_thumb
        .byte   0
        .4byte  variable - .
        .byte   0
        .reloc  ., R_ARM_PREL31, near_arm
        .4byte  0x80000000
