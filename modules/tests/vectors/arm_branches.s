@ Branches of ARM code: near and far, both ends of their reach, to both states.
@ as: -march=armv7-a
@ ld: --section-start=.low=0x06000000 --section-start=.place=0x08000000
@ ld: --section-start=.near=0x08010000 --section-start=.high=0x09ff0000
@ ld: --section-start=.remote=0xc0000000

        .syntax unified
        .arm
        .weak   nobody

        .section .near, "ax"
near:
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
        .arm

        .section .low, "ax"

        .section .high, "ax"

        .section .remote, "ax"

@ A function of either state, `offset` bytes into a section.
        .macro  arm_at name, section, offset
        .pushsection \section
        .arm
        .org    \offset
        .type   \name, %function
\name:
        .arm
        .popsection
        .endm
        .macro  thumb_at name, section, offset
        .pushsection \section
        .thumb
        .org    \offset
        .thumb_func
        .type   \name, %function
\name:
        .arm
        .popsection
        .endm

@ `insn` to ARM code 8 + `low_by` bytes above -32 MiB, and 8 + `high_by` bytes above 32 MiB.
        .macro  ends insn, as, name, low_by, high_by
0:      \insn   \name\()_low
        \as     \name\()_low, .low, 8 + \low_by + (0b - place)
0:      \insn   \name\()_high
        \as     \name\()_high, .high, 0x10008 + \high_by + (0b - place)
        .endm

        .section .place, "ax"
place:
@ Near.
        bl      near_arm
        bl      near_thumb
        bl      near_thumb_odd
        blx     near_thumb
        blx     near_thumb_odd
        blx     near_arm
        b       near_arm
        bne     near_arm
        blne    near_arm
        bl      near_arm + 4
        bl      near_arm - 0x400
        bl      near_thumb_odd - 4
        blx     near_thumb + 4
        beq     near_arm - 0x400
        b       near
        bl      near
        bl      near + 0x20
@ Nobody there.
        bl      nobody
        b       nobody
        bne     nobody
        blcc    nobody
@ The old type. GNU ld 2.40 does not change the state for it.
        .reloc  ., R_ARM_PC24, near_arm
        .inst   0xebfffffe
        .reloc  ., R_ARM_PC24, near_arm
        .inst   0xeafffffe
        .reloc  ., R_ARM_PC24, near_arm
        .inst   0x1afffffe
        .reloc  ., R_ARM_PC24, near_arm
        .inst   0x1bffffff
@ Both ends, exactly.
        ends    bl, arm_at, bl_arm, 0, -4
        ends    b, arm_at, b_arm, 0, -4
        ends    bvs, arm_at, bvs_arm, 0, -4
        ends    blvs, arm_at, blvs_arm, 0, -4
        ends    blx, thumb_at, blx_thumb, 0, -2
        ends    bl, thumb_at, bl_thumb, 0, -2
        ends    bl, thumb_at, bl_thumb_in, 2, -4
@ One further.
        ends    bl, arm_at, bl_arm_out, -4, 0
        ends    b, arm_at, b_arm_out, -4, 0
        ends    bvs, arm_at, bvs_arm_out, -4, 0
        ends    blvs, arm_at, blvs_arm_out, -4, 0
        ends    bl, thumb_at, bl_thumb_out, -2, 0
@ To the other state without BLX.
        thumb_at jump_thumb, .near, 0x42
        b       jump_thumb
        bne     jump_thumb
        blne    jump_thumb
@ Far.
        arm_at  remote_arm, .remote, 0x10
        thumb_at remote_thumb, .remote, 0x22
        bl      remote_arm
        bl      remote_thumb
        b       remote_arm
        bhi     remote_thumb
        blhi    remote_arm
