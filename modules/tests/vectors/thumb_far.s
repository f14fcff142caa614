@ Branches of Thumb code that do not reach, on a CPU without ARM code: GNU ld's veneers are Thumb
@ code too then, as ours always are.
@ as: -march=armv7-m
@ ld: --section-start=.low=0x07000000 --section-start=.place=0x08000000
@ ld: --section-start=.low20=0x07ef8000 --section-start=.high20=0x080f8000
@ ld: --section-start=.high=0x08ff0000 --section-start=.remote=0xc0000000

        .syntax unified
        .thumb

        .section .low, "ax"

        .section .high, "ax"

        .section .low20, "ax"

        .section .high20, "ax"

        .section .remote, "ax"

@ A function, `offset` bytes into a section.
        .macro  thumb_at name, section, offset
        .pushsection \section
        .org    \offset
        .thumb_func
        .type   \name, %function
\name:
        .popsection
        .endm

        .macro  beyond insn, name
0:      \insn   \name\()_low
        thumb_at \name\()_low, .low, 4 - 2 + (0b - place)
0:      \insn   \name\()_high
        thumb_at \name\()_high, .high, 0x10004 + (0b - place)
        .endm
        .macro  beyond20 insn, name
0:      \insn   \name\()_low
        thumb_at \name\()_low, .low20, 0x8004 - 2 + (0b - place)
0:      \insn   \name\()_high
        thumb_at \name\()_high, .high20, 0x8004 + (0b - place)
        .endm

        .section .place, "ax"
place:
        beyond  bl, bl
        beyond  b.w, b
        beyond20 bhi.w, bhi
        nop
        beyond  bl, bl2
        beyond  b.w, b2
        beyond20 bhi.w, bhi2
        thumb_at remote_bl, .remote, 0x10
        thumb_at remote_b, .remote, 0x22
        thumb_at remote_bcc, .remote, 0x34
        bl      remote_bl
        b.w     remote_b
        bcc.w   remote_bcc
