// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// CLASS stores the highest bits of the 64 bytes in Y3 and Y4 at an offset of the
// block, and moves the next lower bits up.
#define CLASS(offset) \
	VPMOVMSKB Y3, AX        \
	VPMOVMSKB Y4, BX        \
	SHLQ      $32, BX       \
	ORQ       BX, AX        \
	MOVQ      AX, offset(DI) \
	VPADDB    Y3, Y3, Y3    \
	VPADDB    Y4, Y4, Y4

// func fillAVX2(blocks *Block, text *byte, n int, t *Table)
TEXT ·fillAVX2(SB), NOSPLIT, $0-32
	MOVQ           blocks+0(FP), DI
	MOVQ           text+8(FP), SI
	MOVQ           n+16(FP), CX
	MOVQ           t+24(FP), DX
	VBROADCASTI128 (DX), Y0
	VBROADCASTI128 16(DX), Y1
	MOVL           $15, AX
	VMOVD          AX, X2
	VPBROADCASTB   X2, Y2

block:
	VMOVDQU (SI), Y3
	VMOVDQU 32(SI), Y4

	// The classes of the high halves, then of the low ones, then of both.
	VPSRLW  $4, Y3, Y5
	VPSRLW  $4, Y4, Y6
	VPAND   Y2, Y5, Y5
	VPAND   Y2, Y6, Y6
	VPAND   Y2, Y3, Y3
	VPAND   Y2, Y4, Y4
	VPSHUFB Y5, Y1, Y5
	VPSHUFB Y6, Y1, Y6
	VPSHUFB Y3, Y0, Y3
	VPSHUFB Y4, Y0, Y4
	VPAND   Y5, Y3, Y3
	VPAND   Y6, Y4, Y4

	CLASS(56)
	CLASS(48)
	CLASS(40)
	CLASS(32)
	CLASS(24)
	CLASS(16)
	CLASS(8)
	CLASS(0)

	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  block

	VZEROUPPER
	RET

// The bits of the classes.
DATA ·bits+0(SB)/8, $0x8040201008040201
GLOBL ·bits(SB), RODATA|NOPTR, $8

// CLASSES puts the classes of the 64 bytes in Z3 in their place: those of the high halves
// and of the low ones, and of them those that a byte has in both.
#define CLASSES \
	VPSRLW  $4, Z3, Z4 \
	VPANDQ  Z2, Z4, Z4 \
	VPANDQ  Z2, Z3, Z3 \
	VPSHUFB Z4, Z1, Z4 \
	VPSHUFB Z3, Z0, Z3 \
	VPANDQ  Z4, Z3, Z3

// MASK stores which of the bytes in Z3 that K2 allows have the bits of a register.
#define MASK(bits, offset) \
	VPTESTMB bits, Z3, K2, K1 \
	KMOVQ    K1, offset(DI)

#define MASKS \
	MASK(Z10, 0)  \
	MASK(Z11, 8)  \
	MASK(Z12, 16) \
	MASK(Z13, 24) \
	MASK(Z14, 32) \
	MASK(Z15, 40) \
	MASK(Z16, 48) \
	MASK(Z17, 56)

// func fillAVX512(blocks *Block, text *byte, size int, t *Table)
TEXT ·fillAVX512(SB), NOSPLIT, $0-32
	MOVQ            blocks+0(FP), DI
	MOVQ            text+8(FP), SI
	MOVQ            size+16(FP), CX
	MOVQ            t+24(FP), DX
	VBROADCASTI32X4 (DX), Z0
	VBROADCASTI32X4 16(DX), Z1
	MOVL            $15, AX
	VPBROADCASTB    AX, Z2
	VPBROADCASTB    ·bits+0(SB), Z10
	VPBROADCASTB    ·bits+1(SB), Z11
	VPBROADCASTB    ·bits+2(SB), Z12
	VPBROADCASTB    ·bits+3(SB), Z13
	VPBROADCASTB    ·bits+4(SB), Z14
	VPBROADCASTB    ·bits+5(SB), Z15
	VPBROADCASTB    ·bits+6(SB), Z16
	VPBROADCASTB    ·bits+7(SB), Z17
	MOVQ            $-1, AX
	KMOVQ           AX, K2
	SUBQ            $64, CX
	JLT             rest

block:
	VMOVDQU64 (SI), Z3
	CLASSES
	MASKS
	ADDQ      $64, SI
	ADDQ      $64, DI
	SUBQ      $64, CX
	JGE       block

rest:
	// Less than 64 bytes are left: CX is their number less 64.
	ADDQ $64, CX
	JEQ  done

	// Only these are read, and only these have classes.
	MOVL        $1, AX
	SHLQ        CX, AX
	DECQ        AX
	KMOVQ       AX, K2
	VMOVDQU8.Z  (SI), K2, Z3
	CLASSES
	MASKS

done:
	VZEROUPPER
	RET
