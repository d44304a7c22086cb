// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

// segments says what the fields of each segment hold, in order from the first.
// It covers versions 2.1 to 2.8; where versions differ, the stricter reading
// stands. "code*3" is three fields that hold codes. What a word means stands
// beside the rules in table.go. A field beyond a line's end is masked whole, as
// is every field of a segment that is not here.
const segments = `
MSH ignore ignore application mask:ORG application mask:ORG date mask codes control codes*3 mask code*3 charset coded code codes mask:ORG mask:ORG network network
FHS ignore ignore application mask:ORG application mask:ORG date mask mask text mask mask network network
BHS ignore ignore application mask:ORG application mask:ORG date mask mask text mask mask network network
FTS code text
BTS code text code
MSA code mask text code*2 coded
ERR codes*2 coded code coded mask text text code coded*2 phone
SFT org code scan code text date
QAK mask code coded code*3
QRD date code*2 mask code date code person coded coded mask code
DSC mask code
DSP code*2 text*3
EVN code date*2 code person date mask:ORG
PID code id:MRN*3 name*2 date code name coded address mask:PLACE phone*2 coded*3 id:ACCOUNT mask:SSN mask:LICENSE id:MRN coded mask:PLACE code*2 coded*3 date code*3 date mask:ORG coded*2 scan coded*2 phone
PD1 code*2 org person code coded*3 code id:MRN coded code date org coded code date date coded*3 date
NK1 code name coded address phone*2 coded date*2 scan coded id:ACCOUNT org coded code date coded*4 code coded code coded*2 name coded*3 name phone address id:MRN coded*3 mask:SSN mask:PLACE coded phone*2
GT1 code id:ACCOUNT name*2 address phone*2 date code*2 coded mask:SSN date*2 code name address phone id:ACCOUNT coded org code coded date code date codes code id:ACCOUNT coded date*2 code coded code coded code coded*2 code coded name coded*2 name phone coded*2 scan coded org code*3 coded mask:PLACE coded
IN1 code mask:PLAN id:PLAN org address name phone mask:PLAN org id:PLAN org date*2 mask code name coded date address code*4 date code date code mask date person code*5 mask:PLAN codes*5 coded code address code mask:PLAN code*2 id:PLAN code date mask:PLACE code
IN2 id:ACCOUNT mask:SSN person code*2 mask:PLAN name mask:PLAN name mask:PLAN coded mask:ORG mask:PLACE code*3 date code*4 name scan code id:PLAN id:PLAN coded*13 name coded*3 date*2 scan coded coded name phone coded name phone coded date*2 coded phone code*2 id:PLAN coded phone*2 coded*4 org org coded*2
IN3 code id person code*2 date*2 person date*2 code coded date person mask:NAME phone coded*2 phone code mask:NAME code*3 person
PV1 code*2 place code id place person*3 code place code*5 person code id codes code*4 date code*4 date code*4 date code codes code mask:ORG code*2 place*2 date*2 code*4 id code person mask id
PV2 place coded*3 text mask code date*2 code*2 text person date code*2 date code*5 org code*2 date code date*2 coded code*2 date code*4 coded*5 code*2 coded date*3 code
MRG id:MRN*2 id:ACCOUNT id:MRN id id name
DB1 code*2 id code date*3
ORC code entity*3 code*2 timing mask date person*3 place phone date coded mask:ORG mask:DEVICE person coded org address phone address coded*2 date coded*3 mask
OBR code entity*2 coded code date*3 codes person code coded text date scan person phone mask*4 date codes code*2 mask timing person mask coded*2 mask:NAME*4 date code coded text coded code*2 text coded*7
OBX code type coded code value coded scan code*4 date mask date mask:ORG person coded entity:DEVICE date coded entity coded org address person code
NTE code*2 text coded person date*2
TQ1 codes*3 time code*2 date*2 coded text*2 code*3
TQ2 code*2 entity*3 code*4
SPM code mask*2 coded*8 codes code text coded*2 range date*2 code coded*4 code*2 coded*3 mask*3
SAC entity*4 mask coded date code
DG1 code*2 coded scan date code coded*2 code*6 code person code*2 date entity code*2
DRG coded date code*2 coded code*6
PR1 code*2 coded scan date code*2 person code*2 person*2 coded code coded*2 code coded*2 entity code
AL1 code coded*3 scan date
IAM code coded*3 scan coded entity coded*3 date scan date name coded coded coded person org date
ACC date coded mask:PLACE coded code*2 person text mask:NAME code address
FT1 code mask*2 range date code coded scan*2 codes*3 coded mask:PLAN codes place code*2 coded person*2 codes entity person coded*5 mask
RXO coded code*2 coded*2 text*2 place code coded code coded code person*2 code*3 coded*2 code*2 coded
RXR coded*6
RXC code coded code coded code coded
RXE timing coded code*2 coded*2 text place code*2 coded code person*2 mask code*2 date code*2 text code*2 coded code coded*2 code coded code coded date code*4
RXD code coded date code coded*2 mask code text person code*2 place code text code coded mask:DEVICE date coded*2
RXG code*2 timing coded code*2 coded*2 text code place code text code*4 coded mask:DEVICE date coded
RXA code*2 date*2 coded code coded*2 scan person place code*2 coded mask:DEVICE date coded*3 code*2 date code*2 coded*2
SCH entity*2 code entity coded*4 code coded timing person phone address place person phone address place person phone place entity*2 coded entity*2
ARQ entity*2 code entity coded*5 coded range code*3 person phone address place person phone place entity*2
RGS code*2 coded
AIS code*2 coded date code coded code coded code coded*3
AIG code*2 mask coded*2 code coded date code coded code coded
AIL code*2 place coded*2 date code coded code coded code coded
AIP code*2 person coded*2 date code coded code coded code coded
TXA code*3 date person date*3 person*3 entity*4 mask code*4 text person*2
PRT entity code coded*2 person coded mask org place entity:DEVICE date*2 coded address phone entity:DEVICE date*2 mask:DEVICE*2
ROL entity code coded person date*2 coded text coded*2 address phone place
STF mask:LICENSE id:LICENSE name code*2 date code coded*2 phone address date*2 mask mask:EMAIL coded*2 scan coded code*2 mask:LICENSE code date*2
PRA mask:LICENSE mask:ORG code*2 mask mask:LICENSE mask date
DEV code entity:DEVICE coded*2 org scan*3 mask:DEVICE*3 code date*2 coded mask
UB1 codes*23
UB2 codes*17
CTD coded name address place phone code mask
PRB code date coded entity*2 code date*3 coded*5 date*2 text coded*2 code coded*3 text coded
GOL code date coded entity*2 code date*2 coded*3 date*3 timing coded text coded date coded name
PTH code coded entity date coded date code
ARV code coded*3 text range
CON code coded code entity text*5 code*2 date*4 code*4 coded*3 text*2
PDA coded place code date person code range person code
RF1 coded*5 entity date*3 coded entity
AUT coded*2 mask:ORG date*2 entity code*2 date*2
PRD coded name address place phone coded mask date*2
NPU place code
BLG code*2 mask
`
