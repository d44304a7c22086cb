// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/note"
)

// Limits of a trust policy and of what it judges. The specification recommends
// at least 32 of each ("Implementation limits").
const (
	maxTrustPolicy = 256 << 10 // bytes
	maxTrustNames  = 128       // logs, witnesses and groups, each
	maxSigned      = 256 << 10 // a checkpoint with all its signatures
)

// A TrustPolicy says which logs and which witnesses are believed, and how many
// of these must have cosigned a checkpoint (C2SP tlog-policy).
type TrustPolicy struct {
	Logs      []TrustedLog
	Witnesses []TrustedWitness

	text   []byte
	names  map[string]*member
	quorum *member // nil for "quorum none"
}

// TrustedLog is a line "log VKEY [URL]".
type TrustedLog struct {
	Verifier note.Verifier
	Key      string // the vkey
	URL      string
}

// TrustedWitness is a line "witness NAME VKEY [URL]".
type TrustedWitness struct {
	Name     string // in the policy only
	Cosigner *Cosigner
	Key      string // the vkey
	URL      string // submission prefix of tlog-witness; may be empty
}

// member is a witness or a group.
type member struct {
	witness int       // index of the witness; -1 for a group
	need    int       // of members
	members []*member // of a group
	taken   bool      // it is a member of a group already
}

// Text returns the policy as it was read.
func (p *TrustPolicy) Text() []byte { return bytes.Clone(p.text) }

// Demands reports whether any cosignature is demanded at all.
func (p *TrustPolicy) Demands() bool { return p.quorum != nil }

// Holds reports whether the quorum holds when the witnesses for which cosigned
// says so, by their index, have cosigned.
func (p *TrustPolicy) Holds(cosigned func(witness int) bool) bool {
	return p.quorum == nil || p.quorum.holds(cosigned)
}

// holds ends: a member is defined before the group that names it.
func (m *member) holds(cosigned func(int) bool) bool {
	if m.witness >= 0 {
		return cosigned(m.witness)
	}
	n := 0
	for _, sub := range m.members {
		if sub.holds(cosigned) {
			n++
		}
	}
	return n >= m.need
}

// Cosignature is a verified cosignature of a checkpoint.
type Cosignature struct {
	Witness string    `json:"witness"` // its name in the policy
	Key     string    `json:"key"`     // name and hash of the key
	Time    time.Time `json:"time"`    // by the witness's clock
}

// Cosigned is what a trust policy says of a checkpoint.
type Cosigned struct {
	Checkpoint Checkpoint
	Log        string        // name and hash of the log's key
	By         []Cosignature // in the order of the policy
	Quorum     bool          // the policy's quorum holds; true for "quorum none"
}

// Check judges a signed checkpoint: whether a log of the policy signed it and
// which witnesses cosigned it. Where the policy lists no log, one of logs must
// have signed it; the policy then leaves that to its user. A quorum that does
// not hold is no error, see Cosigned.Quorum. Errors: Invalid where no log is
// known at all, Integrity for a checkpoint that is malformed, not signed by the
// log, or that has a bad signature in the name of a key that the policy knows.
func (p *TrustPolicy) Check(signed []byte, logs ...note.Verifier) (Cosigned, error) {
	const op = "trust policy check"
	bad := func(err error) (Cosigned, error) {
		return Cosigned{}, sallyport.E(sallyport.Integrity, op, "the checkpoint does not satisfy the policy").Because(err)
	}
	if len(p.Logs) > 0 {
		logs = nil
		for _, l := range p.Logs {
			logs = append(logs, l.Verifier)
		}
	}
	if len(logs) == 0 {
		return Cosigned{}, sallyport.E(sallyport.Invalid, op, "the policy names no log, and none was given").
			WithHint("add a line \"log VKEY\" to the policy, or give the log's key")
	}
	if len(signed) > maxSigned {
		return bad(errors.New("it is too large"))
	}
	// The log's signature on its own first: a note is accepted by any one of its
	// verifiers, and a witness's must not stand for the log's.
	cp, err := OpenCheckpoint(signed, note.VerifierList(logs...))
	if err != nil {
		return bad(err)
	}
	known := append([]note.Verifier{}, logs...)
	for _, w := range p.Witnesses {
		known = append(known, w.Cosigner)
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return bad(err)
	}
	out := Cosigned{Checkpoint: cp, Log: signerOf(n, logs)}
	if out.Log == "" {
		return bad(errors.New("the key that signed it does not bear the name of its origin"))
	}
	did := make([]bool, len(p.Witnesses))
	for i, w := range p.Witnesses {
		at, err := w.Cosigner.At(n)
		if err != nil { // it is not there: a bad one made Open fail
			continue
		}
		did[i] = true
		out.By = append(out.By, Cosignature{Witness: w.Name, Key: keyName(w.Cosigner), Time: at})
	}
	out.Quorum = p.Holds(func(i int) bool { return did[i] })
	return out, nil
}

// signerOf names the log's key that signed a note. A log's key bears the name of
// its origin (tlog-policy, "Defining a log").
func signerOf(n *note.Note, logs []note.Verifier) string {
	origin, _, _ := strings.Cut(n.Text, "\n")
	for _, s := range n.Sigs {
		for _, l := range logs {
			if s.Name == l.Name() && s.Hash == l.KeyHash() && s.Name == origin {
				return keyName(l)
			}
		}
	}
	return ""
}

// keyName is how reports name a key.
func keyName(v note.Verifier) string { return fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()) }

// ParseTrustPolicy reads a policy (C2SP tlog-policy, "Policy file syntax and
// structure"). The error has the kind Invalid and names the line.
func ParseTrustPolicy(text []byte) (*TrustPolicy, error) {
	const op = "trust policy"
	r := &policyReader{p: &TrustPolicy{text: bytes.Clone(text), names: map[string]*member{}}, keys: map[string]int{}, ids: map[string]int{}}
	fail := func(line int, err error) error {
		return sallyport.E(sallyport.Invalid, op, fmt.Sprintf("line %d: %v", line, err)).
			WithHint("the format is C2SP tlog-policy: log, witness, group and quorum lines")
	}
	if len(text) > maxTrustPolicy {
		return nil, fail(1, fmt.Errorf("the policy is larger than %d bytes", maxTrustPolicy))
	}
	line := 0
	for rest := text; len(rest) > 0; {
		line++
		one, after, ended := bytes.Cut(rest, []byte("\n"))
		if !ended {
			return nil, fail(line, errors.New("the last line does not end; the file may be cut"))
		}
		rest = after
		if err := r.line(line, one); err != nil {
			return nil, fail(line, err)
		}
	}
	if r.quorum == 0 {
		return nil, fail(max(line, 1), errors.New("there is no quorum line"))
	}
	return r.p, nil
}

// policyReader reads a policy line by line.
type policyReader struct {
	p      *TrustPolicy
	keys   map[string]int // line of each public key, with the kind of line before it
	ids    map[string]int // line of each key's name and hash
	groups int
	quorum int // its line; 0 before
	at     int // the line being read
}

func (r *policyReader) line(no int, text []byte) error {
	r.at = no
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return errors.New("it has a control character; lines end with a newline only")
		}
	}
	fields := splitBlanks(string(text))
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return nil
	}
	args := fields[1:]
	switch fields[0] {
	case "log":
		return r.log(args)
	case "witness":
		return r.witness(args)
	case "group":
		return r.group(args)
	case "quorum":
		return r.setQuorum(args)
	}
	return fmt.Errorf("%s is none of log, witness, group and quorum", shown(fields[0]))
}

// splitBlanks splits at spaces and tabs only; other white space is part of a
// name ("Structure").
func splitBlanks(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' })
}

func (r *policyReader) log(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("want: log VKEY [URL]")
	}
	if len(r.p.Logs) == maxTrustNames {
		return fmt.Errorf("there are more than %d logs", maxTrustNames)
	}
	k, err := parseVKey(args[0])
	if err != nil {
		return err
	}
	if k.kind != sigEd25519 {
		return fmt.Errorf("the verifier key is of type %02x; logs are known by Ed25519 keys (type 01)", k.kind)
	}
	if err := r.once("log", k); err != nil {
		return err
	}
	v, err := note.NewVerifier(args[0])
	if err != nil {
		return errors.New("the verifier key is malformed")
	}
	r.p.Logs = append(r.p.Logs, TrustedLog{Verifier: v, Key: args[0], URL: second(args)})
	return nil
}

func (r *policyReader) witness(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("want: witness NAME VKEY [URL]")
	}
	if len(r.p.Witnesses) == maxTrustNames {
		return fmt.Errorf("there are more than %d witnesses", maxTrustNames)
	}
	c, err := NewCosigner(args[1])
	if err != nil {
		return err
	}
	if err := r.once("witness", vkey{name: c.name, hash: c.hash, key: c.key}); err != nil {
		return err
	}
	if err := r.define(args[0], &member{witness: len(r.p.Witnesses)}); err != nil {
		return err
	}
	r.p.Witnesses = append(r.p.Witnesses, TrustedWitness{Name: args[0], Cosigner: c, Key: args[1], URL: second(args[1:])})
	return nil
}

func (r *policyReader) group(args []string) error {
	if len(args) < 3 {
		return errors.New("want: group NAME all|any|N and then its members")
	}
	if r.groups == maxTrustNames {
		return fmt.Errorf("there are more than %d groups", maxTrustNames)
	}
	r.groups++
	names := args[2:]
	if len(names) > maxTrustNames {
		return fmt.Errorf("the group has more than %d members", maxTrustNames)
	}
	g := &member{witness: -1}
	for _, name := range names {
		m, err := r.known(name)
		if err != nil {
			return err
		}
		if m.taken {
			return fmt.Errorf("%s is a member already; each name can be in one group, once", shown(name))
		}
		m.taken = true
		g.members = append(g.members, m)
	}
	switch args[1] {
	case "all":
		g.need = len(names)
	case "any":
		g.need = 1
	default:
		k, err := strconv.Atoi(args[1])
		if err != nil || strconv.Itoa(k) != args[1] {
			return fmt.Errorf("%s is neither all, any nor a number", shown(args[1]))
		}
		if k < 1 || k > len(names) {
			return fmt.Errorf("%d of %d members is not possible", k, len(names))
		}
		g.need = k
	}
	return r.define(args[0], g)
}

func (r *policyReader) setQuorum(args []string) error {
	if len(args) != 1 {
		return errors.New("want: quorum NAME, or quorum none")
	}
	if r.quorum != 0 {
		return fmt.Errorf("there is a quorum on line %d already", r.quorum)
	}
	r.quorum = r.at
	if args[0] == "none" {
		return nil
	}
	m, err := r.known(args[0])
	r.p.quorum = m
	return err
}

func (r *policyReader) define(name string, m *member) error {
	if name == "none" {
		return errors.New("the name none has a meaning of its own")
	}
	if r.p.names[name] != nil {
		return fmt.Errorf("the name %s is taken", shown(name))
	}
	r.p.names[name] = m
	return nil
}

func (r *policyReader) known(name string) (*member, error) {
	if m := r.p.names[name]; m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("%s is not defined on a line before", shown(name))
}

// once refuses a public key that is there twice among the lines of a kind, and a
// name and hash that would make signatures ambiguous.
func (r *policyReader) once(kind string, k vkey) error {
	key, id := kind+"\n"+string(k.key), fmt.Sprintf("%s+%08x", k.name, k.hash)
	if at := r.keys[key]; at != 0 {
		return fmt.Errorf("the same public key is on line %d already", at)
	}
	if at := r.ids[id]; at != 0 {
		return fmt.Errorf("the key on line %d has the same name and hash", at)
	}
	r.keys[key], r.ids[id] = r.at, r.at
	return nil
}

func second(args []string) string {
	if len(args) < 2 {
		return ""
	}
	return args[1]
}

// shown renders a word of the policy for a message.
func shown(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}
