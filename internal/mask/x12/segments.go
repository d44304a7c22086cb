// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12

// segments says what the elements of each segment hold, in order from the first:
// those of the health care transactions 270, 271, 276, 277, 278, 834, 835 and
// 837, and of the acknowledgements 997 and 999. "code*3" is three elements that
// hold codes; "/2-15" gives the lengths that an element must keep to. What a word
// means stands beside the rules in table.go. Elements and segments that are not
// here are masked whole.
const segments = `
GS code mask:ORG/2-15 mask:ORG/2-15 date time group code version
GE amount groupend
ST code set version
SE amount setend
IEA amount interchangeend
TA1 blank date time code*2
BHT code*2 mask date time code
BGN code mask date time code*6
BPR code amount code*3 code mask:ACCOUNT/3-12 code mask:ACCOUNT mask:ACCOUNT/10-10 mask:ACCOUNT/9-9 code mask:ACCOUNT/3-12 code mask:ACCOUNT date
TRN code mask mask:ACCOUNT/10-10 mask
CUR code*3
REF code ref text mask
DTM code date time code*2 period
DTP code*2 period
N1 code name code party code*2
N2 mask:NAME*2
N3 mask:ADDRESS*2
N4 mask:PLACE/2-30 state mask:ZIP/3-15 state code mask:PLACE state
NM1 code*2 name mask:NAME*4 code party code*2 mask:NAME
PER code mask:NAME code contact code contact code contact mask
PRV code*2 taxonomy state code*2
DMG code period code*3 code*2 code*5
INS code*11 period code mask:PLACE mask:PLACE code*2
PAT code*5 period code amount code
HL amount*2 code*2
LX amount
SBR code*2 mask:PLAN mask:ORG code*5
CLM mask:ACCOUNT amount code*18
CL1 code*4
PWK code*5 mask text text code
CN1 code amount*2 mask amount code
HI hi*12
HCP code amount*2 mask amount code amount drug code*2 amount code*3
SV1 proc amount code amount code*3 code amount code*12
SV2 code proc amount code amount code amount code code
SV3 proc amount code*10
SV4 mask proc mask code*5 text text code*7
SV5 proc code amount*5
SV6 proc code*3
SVD mask amount proc code amount code
SVC proc amount*2 code amount proc amount
CAS code code amount*2 code amount*2 code amount*2 code amount*2 code amount*2 code amount*2
AMT code amount code
QTY code amount code text
MIA amount*4 code amount*14 code*4 amount
MOA amount*2 code*5 amount*2
OI code*6
TOO code*3
DN1 amount*2 code text
DN2 mask code*5
CR1 code amount code*2 code amount text*4
CR2 amount*2 code*2 amount*2 code code text*2 code
CR3 code code amount code text
CR5 code amount code*16
CR6 code date period code*2 code date code date*2
CR7 code amount*2
CRC code*7
MEA code*2 amount code
IMM code*5
LIN amount code drug code drug
CTP code*2 amount*2 code*7
PS1 mask amount state
LQ code*2
FRM mask code text date amount
NTE code text
K3 text code code
MSG text code code
CLP mask:ACCOUNT code amount*3 code mask code*2 code*7
TS3 mask:NPI code date amount*21
TS2 amount*19
PLB mask:NPI date adjustment amount adjustment amount adjustment amount adjustment amount adjustment amount adjustment amount
RDM code mask:NAME mask:EMAIL mask
EQ code proc code*3
EB code*4 text code amount*2 code amount*2 code proc code
HSD code amount code*6
III code*2 code text amount code*4
AAA code*4
MPI code*3 text mask period
UM code*10
HCR code mask code*3
STC code date code amount*2 date code date mask code*2 text
SPI code mask text*4
HD code*3 text code*6
COB code mask code*2
IDC text code amount code
EC code*7
DSB code amount code*6
ICM code amount code*3
HLH code amount*2 amount text text
LUI code code text code*2
LS code
LE code
ACT mask:ACCOUNT mask code*7
AK1 code blank version
AK2 code blank version
AK3 code amount code*3
AK4 code amount code mask
AK5 code*6
AK9 code amount*3 code*5
IK3 code amount code*3
IK4 code amount code mask
IK5 code*6
CTX blank code amount code*3
`

// variants are the qualifiers that the first element of a segment may hold and
// that a locus names: any other may be anything.
var variants = map[string][]string{
	"NM1": {
		"03", "1I", "1P", "2B", "36", "40", "41", "45", "71", "72", "73", "74", "77", "80", "82", "85", "87", "DD", "DK", "DN", "DQ", "FA", "GP",
		"IL", "LI", "P3", "P5", "PE", "PR", "PW", "QC", "QD", "QV", "S1", "TT", "TTP",
	},
	"N1":  {"1P", "36", "40", "41", "BO", "GP", "IL", "IN", "P5", "PE", "PR", "QC", "TV"},
	"REF": {"0B", "0F", "17", "1G", "1L", "1W", "23", "38", "4N", "6P", "6R", "9F", "D9", "EA", "EI", "EJ", "EV", "F8", "G1", "G2", "IG", "LU", "SY", "TJ", "Y4", "ZZ"},
	"DTP": {"007", "036", "050", "096", "102", "151", "291", "304", "307", "318", "346", "348", "356", "431", "434", "435", "439", "454", "472", "484", "573"},
	"DTM": {"009", "011", "036", "050", "150", "151", "232", "233", "405", "472"},
	"PER": {"AH", "BL", "CX", "IC"},
}
