// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"filippo.io/age"
	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

const opOpen = "evidence open"

// opening says what is to be opened.
type opening struct {
	bundle, session, identity, purpose string
	statements                         []uint
	keys                               []string
	offline                            bool
}

func (a *app) openCommand() *cobra.Command {
	var o opening
	cmd := a.client(a.command("open [BUNDLE]", "Decrypt exact statement texts with an auditor's identity", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				o.bundle = args[0]
			}
			return a.evidenceOpen(ctx, &o)
		}))
	cmd.Long = "Decrypt the exact texts and parameters of statements, of a bundle or of a session that is fetched as one. The\n" +
		"identity stays on this machine. The gateway puts on record who opens which session and what for before it gives out\n" +
		"its half of the session's key. A bundle that was exported with --with-keys can be opened without the gateway by\n" +
		"--offline; such an opening is on no record."
	f := cmd.Flags()
	f.StringVar(&o.session, "session", "", "only this session; without a bundle, it is fetched from the gateway")
	f.UintSliceVar(&o.statements, "statement", nil, "only this statement of the session; may be given several times")
	f.StringVarP(&o.identity, "identity", "i", "", "file with the auditor's age identity")
	f.StringVar(&o.purpose, "purpose", "", "what it is for; it goes on record")
	f.StringArrayVar(&o.keys, "key", nil, "verifier key that you trust, or @FILE; may be given several times")
	f.BoolVar(&o.offline, "offline", false, "take the halves of keys from the bundle; the opening is on no record")
	return cmd
}

// plainText is an opened text or a statement's opened parameters.
type plainText struct {
	Session    sallyport.SessionID `json:"session"`
	Stmt       uint64              `json:"statement"`
	Index      uint64              `json:"leaf"`
	At         time.Time           `json:"at"`
	Kind       string              `json:"kind"` // "intent", "denial" or "parameters"
	Text       string              `json:"text,omitempty"`
	Parameters []string            `json:"parameters,omitempty"`
	Bytes      []byte              `json:"bytes,omitempty"` // where it is no text
	Missing    string              `json:"missing,omitempty"`
}

// openings is the whole result.
type openings struct {
	// Recorded is false of an opening without the gateway, which nobody hears of.
	Recorded   bool              `json:"recorded"`
	Purpose    string            `json:"purpose"`
	Trusted    bool              `json:"trusted"` // the bundle's signer was given by the caller
	Statements []plainText       `json:"statements"`
	Erased     []evidence.Erased `json:"erased,omitempty"`
}

func (o *opening) check() error {
	switch {
	case o.bundle == "" && o.session == "":
		return usage("name a bundle, or a session with --session")
	case o.bundle == "" && o.offline:
		return usage("without the gateway there must be a bundle")
	case o.identity == "":
		return usage("name the file with your age identity with --identity")
	case strings.TrimSpace(o.purpose) == "":
		return usage("say what it is for with --purpose; it goes on record")
	case len(o.statements) > 0 && o.session == "":
		return usage("--statement counts within a session; name it with --session")
	}
	return nil
}

func (a *app) evidenceOpen(ctx context.Context, o *opening) error {
	if err := o.check(); err != nil {
		return err
	}
	if _, err := a.format(); err != nil {
		return err
	}
	identities, err := readIdentities(o.identity)
	if err != nil {
		return err
	}
	var c *client
	if !o.offline {
		if c, err = a.connect(); err != nil {
			return err
		}
		defer c.close()
	}
	b, report, err := a.bundleToOpen(ctx, c, o)
	if err != nil {
		return err
	}
	x := opener{app: a, opening: o, client: c, bundle: b, identities: identities}
	out := openings{Recorded: !o.offline, Purpose: o.purpose, Trusted: report.Trusted}
	if err := x.open(ctx, &out); err != nil {
		return err
	}
	if len(out.Statements) == 0 && len(out.Erased) == 0 {
		return sallyport.E(sallyport.NotFound, opOpen, "the bundle has no such text")
	}
	if o.offline {
		fmt.Fprintln(a.Stderr, "NOT ON RECORD: opened with the halves of keys that the bundle carries; no event says so")
	}
	if !report.Trusted {
		fmt.Fprintln(a.Stderr, "the key that signed the bundle was taken from the bundle itself; give one that you trust with --key")
	}
	return a.show(out, out.table())
}

// table is for people: one row for each text, and one for each erased session.
func (o *openings) table() table {
	t := table{head: []string{"SESSION", "STATEMENT", "TIME", "KIND", "TEXT"}}
	for _, s := range o.Statements {
		text := s.Text
		switch {
		case s.Missing != "":
			text = "(" + s.Missing + ")"
		case len(s.Parameters) > 0:
			text = strings.Join(s.Parameters, ", ")
		case len(s.Bytes) > 0:
			text = "\\x" + hex.EncodeToString(s.Bytes)
		}
		t.rows = append(t.rows, []string{string(s.Session), fmt.Sprint(s.Stmt), stamp(s.At), s.Kind, text})
	}
	for _, e := range o.Erased {
		t.rows = append(t.rows, []string{string(e.Session), "", stamp(e.At), "erased", "(" + e.Why + ")"})
	}
	return t
}

// readIdentities reads an age identity file that nobody else may read.
func readIdentities(name string) ([]age.Identity, error) {
	bad := func(msg, hint string) error {
		return sallyport.E(sallyport.Invalid, opOpen, msg).WithHint(hint) // age's own error would repeat the key
	}
	b, mode, err := readSmall(name)
	defer clear(b)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, opOpen, "the identity file cannot be read").Because(err)
	}
	if mode.Perm()&0o077 != 0 {
		return nil, bad("the identity file may be read by others", "chmod 600 "+name)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil || len(ids) == 0 {
		return nil, bad("the identity file holds no age identity", "age-keygen makes one; it begins with AGE-SECRET-KEY-1")
	}
	return ids, nil
}

// bundleToOpen reads the bundle, or fetches one of the session, and verifies it.
func (a *app) bundleToOpen(ctx context.Context, c *client, o *opening) (*evidence.Bundle, *evidence.Report, error) {
	keys, err := trusted(o.keys)
	if err != nil {
		return nil, nil, err
	}
	opt := evidence.Options{Keys: keys}
	if o.bundle == "" {
		body := map[string]string{"session": o.session, "purpose": o.purpose}
		b, err := c.fetch(ctx, "/v1/evidence", body)
		if err != nil {
			return nil, nil, err
		}
		return evidence.OpenBundle(bytes.NewReader(b), int64(len(b)), opt)
	}
	f, err := os.Open(o.bundle)
	if err != nil {
		return nil, nil, sallyport.E(sallyport.Invalid, opOpen, "the bundle cannot be opened").Because(err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBundle+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, nil, sallyport.E(sallyport.Invalid, opOpen, "the bundle cannot be read").Because(err)
	}
	if len(b) > maxBundle {
		return nil, nil, sallyport.E(sallyport.Exhausted, opOpen, "the bundle is too large to be opened at once").
			WithHint("export the session alone")
	}
	// What was verified is what is opened, whatever becomes of the file.
	return evidence.OpenBundle(bytes.NewReader(b), int64(len(b)), opt)
}

// maxBundle bounds the bundle that is held in memory.
const maxBundle = 1 << 30

// opener opens the texts of a bundle.
type opener struct {
	app        *app
	opening    *opening
	client     *client
	bundle     *evidence.Bundle
	identities []age.Identity

	opened   int     // texts
	unopened []error // of sessions whose keys could not be put together
}

// open opens one session after the other.
func (x *opener) open(ctx context.Context, out *openings) error {
	erased := map[sallyport.SessionID]evidence.Erased{}
	for _, e := range x.bundle.Erased {
		erased[e.Session] = e
	}
	keys := map[sallyport.SessionID]*vault.OpenKey{}
	leaves, err := x.bundle.Leaves()
	if err != nil {
		return err
	}
	for _, l := range leaves {
		leaf, err := evidence.ParseLeaf(l.Raw)
		if err != nil {
			return err
		}
		if leaf.Session == "" || x.opening.session != "" && string(leaf.Session) != x.opening.session {
			continue
		}
		if leaf.Type == evidence.TypeSessionOpen {
			if e, ok := erased[leaf.Session]; ok {
				out.Erased = append(out.Erased, e)
				continue
			}
			open, err := evidence.Body[evidence.SessionOpen](leaf)
			if err != nil {
				return err
			}
			switch keys[leaf.Session], err = x.key(ctx, leaf.Session, open); sallyport.KindOf(err) {
			case sallyport.Integrity, sallyport.NotFound: // sealed to others, or erased since: the rest may open
				x.unopened = append(x.unopened, err)
				msg, _ := describe(err)
				out.Statements = append(out.Statements, plainText{Session: leaf.Session, Index: l.Index, At: leaf.Time, Kind: "session", Missing: msg})
			default:
				if err != nil {
					return err
				}
			}
			continue
		}
		key := keys[leaf.Session]
		p, sealed, err := sealedText(l.Index, leaf)
		if err != nil {
			return err
		}
		if key == nil || sealed == nil || !x.opening.wants(p.Stmt) {
			continue
		}
		if err := x.unseal(key, sealed, &p); err != nil {
			return err
		}
		out.Statements = append(out.Statements, p)
		x.opened++
	}
	if x.opened == 0 && len(x.unopened) > 0 {
		return x.unopened[0]
	}
	return nil
}

func (o *opening) wants(stmt uint64) bool {
	return len(o.statements) == 0 || slices.Contains(o.statements, uint(stmt))
}

// sealedText returns what a leaf seals to the auditors, if it does.
func sealedText(index uint64, leaf evidence.Leaf[json.RawMessage]) (p plainText, s *evidence.Sealed, err error) {
	p = plainText{Session: leaf.Session, Index: index, At: leaf.Time}
	switch leaf.Type {
	case evidence.TypeIntent:
		b, err := evidence.Body[evidence.Intent](leaf)
		p.Stmt, p.Kind = b.Stmt, "intent"
		if b.Of != 0 {
			p.Kind = kindParameters
		}
		return p, b.Sealed, err
	case evidence.TypeDenial:
		b, err := evidence.Body[evidence.Denial](leaf)
		p.Stmt, p.Kind = b.Stmt, "denial"
		return p, b.Sealed, err
	}
	return p, nil, nil
}

const kindParameters = "parameters"

// key puts the two halves of a session's key together. Online, the gateway puts
// the opening on record and gives out its half.
func (x *opener) key(ctx context.Context, id sallyport.SessionID, open evidence.SessionOpen) (*vault.OpenKey, error) {
	i := slices.IndexFunc(open.Keys, func(w evidence.WrappedKey) bool { return w.To == evidence.ToAge && w.Purpose == evidence.PurposeText })
	if i < 0 {
		return nil, nil
	}
	w := open.Keys[i]
	var half []byte
	if w.By != "" { // an identity that opens nothing is not put on record
		if _, err := vault.OpenAge(w, make([]byte, evidence.HalfSize), x.identities...); err != nil {
			return nil, err
		}
	}
	if x.client != nil {
		var answer struct {
			Half []byte `json:"half"`
		}
		body := map[string]any{"session": id, "statements": x.opening.statements, "purpose": x.opening.purpose}
		if _, err := x.client.ask(ctx, http.MethodPost, "/v1/evidence/open", nil, body, &answer); err != nil {
			return nil, err
		}
		half = answer.Half
	} else {
		j := slices.IndexFunc(x.bundle.Halves, func(h evidence.Half) bool { return h.Session == id && h.Key == w.ID })
		if j < 0 && w.By != "" {
			return nil, sallyport.E(sallyport.NotFound, opOpen, "the bundle does not carry the gateway's half of the key of session "+string(id)).
				WithHint("export it with --with-keys, or leave --offline out so that the gateway gives it out")
		}
		if j >= 0 {
			half = x.bundle.Halves[j].Half
		}
	}
	defer clear(half)
	return vault.OpenAge(w, half, x.identities...)
}

// unseal decrypts one text after its ciphertext was compared with the leaf.
func (x *opener) unseal(key *vault.OpenKey, s *evidence.Sealed, p *plainText) error {
	ct, err := x.bundle.Ciphertext(*s)
	if sallyport.KindOf(err) == sallyport.NotFound && err != nil {
		p.Missing, _ = sallyport.Public(err)
		return nil
	}
	if err != nil {
		return err
	}
	plain, err := key.Open(nil, ct, evidence.AppendAAD(nil, p.Session, p.Stmt, evidence.PurposeText))
	if err != nil {
		return err
	}
	if p.Kind == kindParameters {
		if p.Parameters = bound(plain); p.Parameters != nil {
			return nil
		}
	}
	if utf8.Valid(plain) {
		p.Text = string(plain)
	} else {
		p.Bytes = plain
	}
	return nil
}

// bound renders the parameters of a Bind of PostgreSQL's protocol, which are
// sealed as they came: texts as they are, binary ones in hex. It returns nil for
// what is none.
func bound(b []byte) []string {
	m, err := pgwire.DecodeBind(append([]byte{0, 0}, b...))
	if err != nil {
		return nil
	}
	out := []string{}
	for i, v := range m.Params.All() {
		text := "NULL"
		switch {
		case v == nil:
		case m.ParamFormats.For(i) == pgwire.FormatText && utf8.Valid(v):
			text = "'" + strings.ReplaceAll(string(v), "'", "''") + "'"
		default:
			text = "\\x" + hex.EncodeToString(v)
		}
		out = append(out, text)
	}
	return out
}
