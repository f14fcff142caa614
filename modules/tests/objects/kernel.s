@ What sample.c wants of others, for GNU ld: ARM and Thumb functions and a variable.
	.syntax unified
	.arch armv7-a
	.section .kernel, "ax", %progbits
	.arm
	.global printk
	.type printk, %function
printk:	bx lr
	.thumb
	.global kmalloc
	.type kmalloc, %function
	.thumb_func
kmalloc: bx lr
	.arm
	.balign 4
	.global kfree
	.type kfree, %function
kfree:	bx lr
	.global jiffies
jiffies: .word 0
