// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWriteSample writes a bundle and its key to the files that SAMPLE_BUNDLE
// names, with .zip and .key added; without it, to a directory of its own. The
// bundles in evidence/testdata were made so.
func TestWriteSample(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, _ := g.bundle(export.Filter{By: "human:eve", Purpose: "yearly audit"})
	name := cmp.Or(os.Getenv("SAMPLE_BUNDLE"), t.TempDir()+"/sample")
	for suffix, content := range map[string][]byte{".zip": bundle, ".key": []byte(g.vkey + "\n")} {
		if err := os.WriteFile(name+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const origin = "ledger.example/gw1"

// gateway writes what a gateway would, at times of its own, into a real ledger.
type gateway struct {
	t      testing.TB
	log    *ledger.Log
	signer note.Signer
	vkey   string
	now    time.Time
	chains map[sallyport.SessionID]*evidence.Chain
	blobs  map[string][]byte
	policy sallyport.PolicyDigest
	seal   evidence.SealKey // the first one
}

const policyText = "@id(\"read\")\npermit(principal, action, resource);\n"

func newGateway(t testing.TB) *gateway {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	ratchet, first, err := ledger.NewRatchet(bytes.NewReader(bytes.Repeat([]byte{7}, evidence.SealKeySize)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), ledger.Options{
		Ratchet: ratchet,
		Dir:     t.TempDir(), Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier),
		SegmentSize: ledger.MinSegmentSize, CheckpointEvery: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &gateway{
		t: t, log: l, signer: signer, vkey: vkey, now: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC),
		chains: map[sallyport.SessionID]*evidence.Chain{}, blobs: map[string][]byte{}, policy: sallyport.PolicyDigest(digest([]byte(policyText))),
		seal: evidence.NewSealKey([evidence.SealKeySize]byte(first)),
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// write appends an event; session is "" for one outside of sessions.
func write[B any](g *gateway, session sallyport.SessionID, t evidence.Type, body B) {
	g.t.Helper()
	g.now = g.now.Add(time.Second)
	leaf := evidence.Leaf[B]{V: evidence.LeafVersion, Type: t, Origin: origin, Time: g.now, Mono: g.now.UnixNano(), Body: body}
	chain := g.chains[session]
	if session != "" && chain == nil {
		c := evidence.NewChain(session)
		chain = &c
		g.chains[session] = chain
	}
	if chain != nil {
		chain.Next(&leaf.Session, &leaf.Seq, &leaf.Prev)
	}
	raw, err := evidence.Marshal(leaf)
	if err != nil {
		g.t.Fatal(err)
	}
	if chain != nil {
		chain.Add(raw)
	}
	if _, err := g.log.Append(g.t.Context(), raw); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) start(epoch uint64, clean bool) {
	write(g, "", evidence.TypeStart, evidence.Start{Version: "0.1.0", Epoch: epoch, Clean: clean, Keys: []string{g.vkey}, SealKey: &evidence.WrappedKey{ID: g.seal.ID(), Purpose: evidence.PurposeSeal, To: "age"}})
	write(g, "", evidence.TypePolicyLoaded, evidence.PolicyLoaded{Digest: g.policy, Source: "policies", Text: policyText[:20], Parts: 2, Part: 1})
	write(g, "", evidence.TypePolicyLoaded, evidence.PolicyLoaded{Digest: g.policy, Source: "policies", Text: policyText[20:], Parts: 2, Part: 2})
}

func (g *gateway) heartbeat() {
	g.t.Helper()
	seal, err := g.log.Seal(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	write(g, "", evidence.TypeHeartbeat, evidence.Heartbeat{Every: 60_000, Seal: seal})
}

func principal(id sallyport.PrincipalID) sallyport.Principal {
	return sallyport.Principal{
		ID: id, Kind: sallyport.CIJob, Subject: sallyport.Subject{Issuer: "https://idp.example", ID: "sub-" + string(id)},
		Authn: sallyport.Authentication{Method: "oidc", TokenID: "0123"},
	}
}

// grant asks for, approves and activates a grant.
func (g *gateway) grant(n int, who sallyport.PrincipalID, resource sallyport.ResourceID) sallyport.Grant {
	gr := sallyport.Grant{
		ID: sallyport.GrantID(fmt.Sprintf("g%d", n)), Request: sallyport.RequestID(fmt.Sprintf("q%d", n)), Principal: who,
		Resource: resource, Role: "etl", NotBefore: g.now, NotAfter: g.now.Add(time.Hour), Policy: g.policy,
	}
	write(g, "", evidence.TypeIdentity, evidence.Identity{Accepted: true, Principal: new(principal(who))})
	write(g, "", evidence.TypeRequest, evidence.Request{
		ID: gr.Request, Kind: "grant", State: "open", Principal: who, Resource: resource,
		Role: "etl", Reason: "=monthly claims", Approvers: "group:privacy", WindowMS: 3600_000, Expires: gr.NotAfter, Policy: g.policy,
	})
	write(g, "", evidence.TypeDecision, evidence.Decision{
		Request: gr.Request, Kind: "grant", Decision: "approved", Approver: "human:ann",
		Groups: []string{"privacy"}, Subject: sallyport.Subject{Issuer: "https://idp.example", ID: "ann"}, Rationale: "@agreed, ticket 7",
	})
	write(g, "", evidence.TypeGrant, evidence.GrantEvent{State: "active", Grant: gr})
	return gr
}

// sessionOptions make a session differ from the plain one.
type sessionOptions struct {
	open      bool // never closed, last statement unsettled
	statement string
}

// session writes a session with two statements, a denial, a masking and a
// recording.
func (g *gateway) session(id sallyport.SessionID, gr sallyport.Grant, opt sessionOptions) {
	write(g, id, evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: principal(gr.Principal), Resource: gr.Resource, Protocol: "postgres",
		Role: gr.Role, Grant: &gr, Rules: []sallyport.RuleID{"read"}, Policy: g.policy, Client: "192.0.2.1 psql", Lineage: "in-band",
	})
	text := []byte("ciphertext of " + id)
	write(g, id, evidence.TypeIntent, evidence.Intent{
		Stmt: 1, Phase: "execute", Mode: "before-forward", Class: "select",
		Readable: opt.statement, Digest: "aa", Objects: []string{"clinic/public/patients"}, Effects: []string{"read", "delete"},
		Masks:   []evidence.MaskPlan{{Output: 0, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label"}},
		Verdict: "allow", Rules: []sallyport.RuleID{"read"}, Policy: g.policy, Grant: gr.ID,
		Sealed: &evidence.Sealed{Key: "k", SHA256: digest(text), Len: len(text), Data: text},
	})
	if opt.open {
		return
	}
	write(g, id, evidence.TypeOutcome, evidence.Outcome{Stmt: 1, Status: "ok", Tag: "SELECT 2", Rows: 2, Bytes: 80, Micros: 900})
	write(g, id, evidence.TypeMasking, evidence.Masking{Stmt: 1, Output: 0, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label", Operator: "redact", Profile: "text", Seen: 2, Masked: 2})
	write(g, id, evidence.TypeMasking, evidence.Masking{Stmt: 1, Output: 1, Labels: []sallyport.Label{"phi.note"}, Reason: "scan", Operator: "redact", Profile: "text", Entity: "SSN", Rule: "ssn.dashed", Locus: "text", Hits: 3})
	write(g, id, evidence.TypeDenial, evidence.Denial{Stmt: 2, Class: "drop table", Readable: "DROP TABLE patients", Digest: "bb", Rules: []sallyport.RuleID{"default"}, Policy: g.policy, Reason: "no permit"})
	write(g, id, evidence.TypeIntent, evidence.Intent{Stmt: 3, Phase: "execute", Mode: "before-forward", Of: 1, Digest: "aa", Verdict: "allow", Rules: []sallyport.RuleID{"read"}, Policy: g.policy, Grant: gr.ID})
	write(g, id, evidence.TypeOutcome, evidence.Outcome{Stmt: 3, Status: "error", Code: "42501"})
	chunk := bytes.Repeat([]byte("sealed "+id+" "), 20)
	g.blobs[digest(chunk)] = chunk
	write(g, id, evidence.TypeRecording, evidence.Recording{Chunk: 1, Sealed: evidence.Sealed{Key: "k2", SHA256: digest(chunk), Len: len(chunk)}, First: 1, Last: 3})
	sum := sha256.Sum256(chunk)
	c := g.chains[id]
	write(g, id, evidence.TypeSessionClose, evidence.SessionClose{Reason: "client left", Statements: 3, Denials: 1, Events: c.Seq() + 1, Head: c.Head(), Recording: digest(sum[:]), Chunks: 1})
}

// fill writes a history with two principals, an unsettled statement and a crash.
func (g *gateway) fill() {
	g.start(1, true)
	g.heartbeat()
	g.session("s_one", g.grant(1, "ci:claims", "clinic"), sessionOptions{statement: "SELECT ssn FROM patients WHERE id = $1"})
	g.now = g.now.Add(30 * time.Second)
	g.heartbeat()
	gr := g.grant(2, "svc:reports", "lab")
	g.session("s_two", gr, sessionOptions{statement: "+SELECT 1"})
	g.session("s_open", gr, sessionOptions{open: true, statement: "DELETE FROM results"})
	// The gateway dies and comes back.
	g.now = g.now.Add(10 * time.Minute)
	g.start(2, false)
	write(g, "", evidence.TypeGap, evidence.Gap{Since: g.now.Add(-10 * time.Minute), Reason: "no stop event", MayHaveExecuted: []string{"s_open/1"}})
	g.now = g.now.Add(5 * time.Minute)
	g.heartbeat() // four are missing before it
	write(g, "", evidence.TypeToken, evidence.Token{Action: "issued", TokenID: "t1", Principal: "ci:claims", Resource: "clinic", Role: "etl", Expires: g.now.Add(time.Hour)})
	write(g, "", evidence.TypeExport, evidence.Export{By: "human:eve", Filter: "session=s_one", Size: 7, Purpose: "=audit"})
	write(g, "", evidence.TypeReplay, evidence.Replay{By: "human:eve", Session: "s_one"})
	g.office()
	write(g, "", evidence.TypeStop, evidence.Stop{Reason: "signal"})
}

// configuration is what a gateway puts on record of its own.
func (g *gateway) configuration() evidence.Configuration {
	return evidence.Configuration{
		Roles: []evidence.ConfigRole{
			{Name: "etl", Resources: []sallyport.ResourceID{"clinic", "lab"}, Members: []string{"principal:ci:claims", "principal:svc:reports"}},
			{Name: "auditor", Resources: []sallyport.ResourceID{"archive"}, Members: []string{"group:auditors"}},
		},
		Access: []evidence.ConfigAccess{
			{Role: "etl", Resource: "clinic", Connect: "hold", Approvers: "group:privacy", WindowMS: 3600_000, Rules: []sallyport.RuleID{"jit"}, Policy: g.policy},
			{Role: "etl", Resource: "lab", Connect: "allow", Rules: []sallyport.RuleID{"read"}, Policy: g.policy},
		},
		Resources: []evidence.ConfigResource{
			{Name: "clinic", Type: "postgres", Target: "db.example:5432/clinic", TLS: "verify-full", Lineage: "auto", Intent: "before-forward", IdleMS: 1800_000, LongestMS: 43200_000, Sessions: 200},
		},
		Issuers:  []evidence.ConfigIssuer{{Name: "idp", URL: "https://idp.example", Audiences: []string{"sallyport"}}},
		Settings: []evidence.ConfigSetting{{Name: "api.auditors", Values: []string{"group:auditors"}}},
		Identities: []evidence.ConfiguredMember{
			{Principal: "ci:*", Owner: "claims team", Purpose: "monthly claims", Ticket: "SEC-7", Reviewed: g.now.Add(-48 * time.Hour), EveryMS: 90 * 24 * 3600_000},
			{Principal: "svc:gone", Owner: "nobody any more", EveryMS: 3600_000},
		},
	}
}

// configured puts a configuration on record.
func (g *gateway) configured(c evidence.Configuration) {
	g.t.Helper()
	parts, err := c.Split()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, p := range parts {
		write(g, "", evidence.TypeConfigLoaded, p)
	}
}

// office puts on record what people do about access.
func (g *gateway) office() {
	g.configured(g.configuration())
	write(g, "", evidence.TypeReview, evidence.Review{Kind: "identity", By: "human:eve", Principal: "svc:reports", Note: "still needed", Size: 40})
	write(g, "", evidence.TypeReview, evidence.Review{Kind: "activity", By: "human:eve", From: g.now.Add(-time.Hour), To: g.now, Note: "nothing unusual", Size: 41})
	write(g, "", evidence.TypeRequest, evidence.Request{
		ID: "q3", Kind: "grant", State: "open", Principal: "svc:night", Resource: "archive", Role: "etl", Reason: "break-glass: the ward is down",
		Approvers: "group:privacy", WindowMS: 600_000, Expires: g.now.Add(time.Hour), Policy: g.policy,
	})
	write(g, "", evidence.TypeDecision, evidence.Decision{Request: "q3", Kind: "grant", Decision: "approved", Approver: "human:ann", Rationale: "called back"})
	write(g, "", evidence.TypeGrant, evidence.GrantEvent{State: "active", Grant: sallyport.Grant{
		ID: "g3", Request: "q3", Principal: "svc:night", Resource: "archive", Role: "etl", NotBefore: g.now, NotAfter: g.now.Add(10 * time.Minute), Policy: g.policy,
	}})
	write(g, "", evidence.TypeRequest, evidence.Request{
		ID: "q4", Kind: "hold", State: "open", Principal: "svc:night", Resource: "archive", Role: "etl", Approvers: "group:privacy",
		Expires: g.now.Add(time.Minute), Session: "s_night", Stmt: 4, Readable: "DROP TABLE old", Effects: []string{"destroy"}, Policy: g.policy,
	})
	write(g, "", evidence.TypeDecision, evidence.Decision{Request: "q4", Kind: "hold", Decision: "denied", Approver: "human:ann", Rationale: "not today"})
}

func (g *gateway) source() export.Source {
	return export.Source{
		Checkpoint: g.log.Publish, Scan: g.log.Scan, Subtree: g.log.Subtree,
		Blob: func(_ context.Context, digest string) ([]byte, error) {
			if b, ok := g.blobs[digest]; ok {
				return b, nil
			}
			return nil, sallyport.E(sallyport.NotFound, "blob get", "erased")
		},
		Replay: func(_ context.Context, id sallyport.SessionID, _ []uint64) ([]byte, error) {
			return fmt.Appendf(nil, "{\"session\":%q,\"row\":[\"***\"]}\n", id), nil
		},
		Signers: []note.Signer{g.signer}, Keys: []string{g.vkey}, Recipients: []string{"age1example"}, Now: func() time.Time { return g.now },
	}
}

func (g *gateway) bundle(f export.Filter) ([]byte, export.Summary) {
	g.t.Helper()
	var buf bytes.Buffer
	sum, err := export.Build(g.t.Context(), &buf, g.source(), f)
	if err != nil {
		g.t.Fatalf("build: %v", err)
	}
	return buf.Bytes(), sum
}

func (g *gateway) verify(bundle []byte) *evidence.Report {
	g.t.Helper()
	r, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{g.vkey}})
	if err != nil {
		g.t.Fatalf("verify: %v", err)
	}
	return r
}
