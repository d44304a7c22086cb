// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// TrustPolicyName is the file of a bundle that holds the witness policy which was
// in force at the export; it is there only where there was one.
const TrustPolicyName = "ledger/witness.policy"

// Witnessed says who cosigned the checkpoint of a bundle.
type Witnessed struct {
	// Trusted is true when the policy was given by the caller; else it came out of
	// the bundle itself.
	Trusted bool
	Demands bool // the policy demands cosignatures
	Quorum  bool // its quorum holds
	By      []Cosignature
}

// trust takes the caller's policy. Its logs are keys that the caller trusts.
func (v *verifier) trust(p *TrustPolicy) {
	v.policy = p
	if p != nil && len(v.known) == 0 {
		for _, l := range p.Logs {
			v.known = append(v.known, l.Verifier)
		}
	}
	v.report.Trusted = len(v.known) > 0
}

// checkWitnesses judges the checkpoint by the caller's policy, or else by the
// bundle's own. That the quorum of one's own policy is missing is a fault; what
// the bundle says of itself is told only.
func (v *verifier) checkWitnesses() {
	p := v.policy
	if v.files[TrustPolicyName] != nil && p == nil {
		text, ok := v.read(TrustPolicyName, maxTrustPolicy)
		if !ok {
			return
		}
		var err error
		if p, err = ParseTrustPolicy(text); err != nil {
			v.fault(TrustPolicyName, -1, -1, "it is not a policy: %v", err)
			return
		}
	}
	if p == nil || v.files[CheckpointName] == nil {
		return
	}
	signed, ok := v.read(CheckpointName, maxSmall)
	if !ok {
		return
	}
	got, err := p.Check(signed, v.known...)
	if err != nil {
		v.fault(CheckpointName, -1, -1, "by the witness policy: %v", causeOf(err))
		return
	}
	w := &Witnessed{Trusted: v.policy != nil, Demands: p.Demands(), Quorum: got.Quorum, By: got.By}
	v.report.Witnessed = w
	switch {
	case w.Quorum:
	case w.Trusted:
		v.fault(CheckpointName, -1, -1, "the quorum of the witness policy is not reached: %s", w.summary())
	default:
		v.notice("the quorum of the bundle's own witness policy is not reached: %s", w.summary())
	}
}

// causeOf is the part of an error that says what is wrong.
func causeOf(err error) string {
	msg, _ := sallyport.Public(err)
	if _, cause, ok := strings.Cut(err.Error(), msg+": "); ok {
		return cause
	}
	return msg
}

func (w *Witnessed) summary() string {
	if len(w.By) == 0 {
		return "no witness cosigned the checkpoint"
	}
	var names []string
	for _, c := range w.By {
		names = append(names, c.Witness)
	}
	return "the checkpoint is cosigned by " + strings.Join(names, ", ") + " only"
}

// text is the report's part about witnesses.
func (w *Witnessed) text() string {
	if w == nil {
		return ""
	}
	whose := "the policy given by you"
	if !w.Trusted {
		whose = "the policy in the bundle itself, NOT TRUSTED"
	}
	state := "quorum reached"
	switch {
	case !w.Demands:
		state = "none demanded"
	case !w.Quorum:
		state = "quorum NOT REACHED"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  witnesses   %s, by %s\n", state, whose)
	for _, c := range w.By {
		fmt.Fprintf(&b, "              %s cosigned at %s (%s)\n", quoted(c.Witness), timeText(c.Time), quoted(c.Key))
	}
	if len(w.By) == 0 {
		b.WriteString("              no cosignature\n")
	}
	return b.String()
}
