@ Branches of Thumb code: near, both ends of their reach, to both states.
@ as: -march=armv7-a
@ ld: --section-start=.low=0x07000000 --section-start=.place=0x08000000
@ ld: --section-start=.near=0x08010000 --section-start=.low20=0x07f00000
@ ld: --section-start=.high20=0x080f8000 --section-start=.high=0x08ff0000

        .syntax unified
        .thumb
        .weak   nobody

        .section .near, "ax"
near:
        .arm
        .type   near_arm, %function
near_arm:
        bx      lr
        nop
        .thumb
        .thumb_func
        .type   near_thumb, %function
near_thumb:
        bx      lr
        .thumb_func
        .type   near_thumb_odd, %function
near_thumb_odd:
        bx      lr

        .section .low, "ax"

        .section .high, "ax"

        .section .low20, "ax"

        .section .high20, "ax"

@ A function of either state, `offset` bytes into a section.
        .macro  arm_at name, section, offset
        .pushsection \section
        .arm
        .org    \offset
        .type   \name, %function
\name:
        .thumb
        .popsection
        .endm
        .macro  thumb_at name, section, offset
        .pushsection \section
        .thumb
        .org    \offset
        .thumb_func
        .type   \name, %function
\name:
        .thumb
        .popsection
        .endm

@ `insn` to code 4 + `low_by` bytes above -16 MiB, and 4 + `high_by` bytes above 16 MiB.
        .macro  ends insn, as, name, low_by, high_by
0:      \insn   \name\()_low
        \as     \name\()_low, .low, 4 + \low_by + (0b - place)
0:      \insn   \name\()_high
        \as     \name\()_high, .high, 0x10004 + \high_by + (0b - place)
        .endm
@ The same for 1 MiB.
        .macro  ends20 insn, name
0:      \insn   \name\()_low
        thumb_at \name\()_low, .low20, 4 + (0b - place)
0:      \insn   \name\()_high
        thumb_at \name\()_high, .high20, 0x8004 - 2 + (0b - place)
        .endm

        .section .place, "ax"
place:
@ Near, from an address that is a multiple of 4 and from one that is not.
        bl      near_thumb
        bl      near_thumb_odd
        bl      near_arm
        blx     near_arm
        blx     near_thumb
        blx     near_thumb_odd
        b.w     near_thumb
        b.w     near_thumb_odd
        bl      near_thumb + 4
        bl      near_thumb - 0x400
        bl      near_arm + 4
        blx     near_arm - 0x400
        b.w     near_thumb - 0x402
        bl      near
        b.w     near
        b.w     near + 0x20
        beq.w   near_thumb
        bls.w   near_thumb_odd
        bge.w   near_thumb - 0x1000
        bge.w   near
        nop
        bl      near_thumb
        bl      near_thumb_odd
        bl      near_arm
        blx     near_arm
        blx     near_thumb
        b.w     near_thumb
        bl      near_arm + 4
        blx     near_arm - 0x400
        beq.w   near_thumb
@ Nobody there.
        bl      nobody
        blx     nobody
        b.w     nobody
        nop
@ Both ends. GNU ld 2.40 makes veneers for the last halfword above 16 MiB, and for what BLX reaches
@ only because it rounds PC down; a unit test has those.
        ends    bl, thumb_at, bl_thumb, 0, -4
        ends    b.w, thumb_at, b_thumb, 0, -4
        ends    bl, arm_at, bl_arm, 0, -4
        ends    blx, arm_at, blx_arm, 0, -4
        nop
        ends    bl, thumb_at, bl_thumb2, 0, -4
        ends    b.w, thumb_at, b_thumb2, 0, -4
        ends    bl, arm_at, bl_arm2, 2, -6
        ends    blx, arm_at, blx_arm2, 2, -6
@ Around the places where J1 and J2 change.
        .irp    bit, 0x400000, 0x800000, 0xc00000
        bl      near_thumb + \bit
        bl      near_thumb - \bit
        b.w     near_thumb + \bit
        b.w     near_thumb - \bit
        .endr
        .irp    bit, 0x40000, 0x80000, 0xc0000
        bvc.w   near_thumb + \bit
        bvc.w   near_thumb - \bit
        .endr
        nop
        ends20  bmi.w, bmi
        ends20  ble.w, ble
@ To the other state without BLX.
        arm_at  jump_arm, .near, 0x40
        b.w     jump_arm
