@ Branches of Thumb code of one halfword.
@ as: -march=armv7-a
@ ld: --section-start=.low=0x07fff800 --section-start=.low8=0x07ffff00
@ ld: --section-start=.place=0x08000000 --section-start=.high8=0x08000080
@ ld: --section-start=.high=0x08000780

        .syntax unified
        .thumb
        .section .low, "ax"

        .section .low8, "ax"

        .section .high8, "ax"

        .section .high, "ax"

@ A function, `offset` bytes into a section.
        .macro  thumb_at name, section, offset
        .pushsection \section
        .org    \offset
        .thumb_func
        .type   \name, %function
\name:
        .popsection
        .endm
        .macro  short type, word, name, low, high, half
0:      .reloc  ., \type, \name\()_low
        .inst.n \word
        thumb_at \name\()_low, \low, 4 + (0b - place)
0:      .reloc  ., \type, \name\()_high
        .inst.n \word
        thumb_at \name\()_high, \high, \half + 4 - 2 + (0b - place)
        .endm

        .section .place, "ax"
place:
        thumb_at near_thumb, .high8, 0
        .reloc  ., R_ARM_THM_JUMP11, near_thumb
        .inst.n 0xe7fe
        .reloc  ., R_ARM_THM_JUMP11, near_thumb
        .inst.n 0xe400
        .reloc  ., R_ARM_THM_JUMP11, near_thumb
        .inst.n 0xe010
        .reloc  ., R_ARM_THM_JUMP8, near_thumb
        .inst.n 0xd0fe
        .reloc  ., R_ARM_THM_JUMP8, near_thumb
        .inst.n 0xddf0
        short   R_ARM_THM_JUMP11, 0xe7fe, jump11, .low, .high, 0x80
        short   R_ARM_THM_JUMP8, 0xd1fe, jump8, .low8, .high8, 0x80
