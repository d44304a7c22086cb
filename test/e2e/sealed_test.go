// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// sealedStatements are what the clients of TestSealed send, exactly.
var sealedStatements = []string{
	"select * from patients", "select '" + typed + "'::text as \"" + typed + "\"", "/* " + typed + " */ select 1",
	"select id from patients where ssn = '900-11-2233'", // refused: a predicate on a masked column
	"select note from patients where id = $1", "insert into work (kind) values ($1)",
}

// TestSealed opens everything that a gateway ever sealed, with every key that
// there is, and looks at what is in it: the auditors have the exact texts and
// parameters as the clients sent them, and nothing else anywhere, sealed or not,
// is unmasked.
func TestSealed(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Schema(kinds), gatewaytest.Labels(kindLabels()))
	ctx := bound(t)
	conn := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	for _, sql := range sealedStatements[:4] {
		_, err := conn.Exec(ctx, sql)
		if c := code(err); c != "" && c != "42501" {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	extended := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec })
	for sql, arg := range map[string]any{sealedStatements[4]: 1, sealedStatements[5]: typed} {
		if _, err := extended.Exec(ctx, sql, arg); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, c := range []*pgx.Conn{conn, extended} {
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	auditor := apiAs(t, g, g.HumanToken(t, "audrey", "auditors"))
	eventually(t, "the end of the sessions", func() bool {
		_, b := auditor.call(t, "GET", "/v1/sessions?open=true", nil)
		return !strings.Contains(string(b), `"state":"open"`)
	})
	status, b := auditor.call(t, "POST", "/v1/evidence", map[string]any{"purpose": "the test opens everything", "with_keys": true})
	if status != 200 {
		t.Fatalf("evidence: %d %s", status, b)
	}
	bundle, _, err := evidence.OpenBundle(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{g.VerifierKeys()[0]}})
	if err != nil {
		t.Fatal(err)
	}
	o := openAll(t, g, bundle)

	var texts []string
	for _, x := range o.texts {
		if x.parameters {
			// The parameters as the client sent them, and the formats around them.
			if !bytes.Contains(x.plain, []byte(typed)) && !bytes.Contains(x.plain, []byte{0, 0, 0, 1}) {
				t.Errorf("sealed parameters of a client are %q", x.plain)
			}
			continue
		}
		texts = append(texts, string(x.plain))
	}
	for _, sql := range sealedStatements {
		if !slices.Contains(texts, sql) {
			t.Errorf("the auditors do not have %q", sql)
		}
	}
	for _, text := range texts {
		if !slices.Contains(sealedStatements, text) {
			t.Errorf("sealed to the auditors, and sent by nobody: %q", text)
		}
	}
	// What only the target knew is in no text that is sealed.
	for _, x := range o.texts {
		noSecret(t, "a text that is sealed to the auditors", bytes.ReplaceAll(x.plain, []byte("900-11-2233"), nil))
	}
	if len(o.frames) == 0 {
		t.Error("no recording was opened")
	}
	for _, f := range o.frames {
		noSecret(t, "an opened recording", f)
	}
	leaves, err := bundle.Leaves()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		noTrace(t, "a leaf", l.Raw)
	}
	noTrace(t, "the gateway's log", []byte(g.Log.String()))
	atRest(t, g.Dir)
}

// openedText is a text that was sealed to the auditors.
type openedText struct {
	parameters bool
	plain      []byte
}

type openedAll struct {
	texts  []openedText
	frames [][]byte
}

// openAll opens every sealed thing of a bundle with the auditor's identity, the
// gateway's vault and the halves of keys.
func openAll(t *testing.T, g *gatewaytest.Gateway, b *evidence.Bundle) (out openedAll) {
	t.Helper()
	v, err := vault.Open(vault.Options{
		Path: filepath.Join(g.Dir, "data", "vault.json"), Master: vault.Ref("file:" + filepath.Join(g.Dir, "vault.key")), Getenv: os.Getenv, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	texts, recordings := map[sallyport.SessionID]*vault.OpenKey{}, map[sallyport.SessionID]*vault.OpenKey{}
	leaves, err := b.Leaves()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		leaf, err := evidence.ParseLeaf(l.Raw)
		must(err)
		if leaf.Type == evidence.TypeSessionOpen {
			texts[leaf.Session], recordings[leaf.Session] = keysOf(t, g, v, b, leaf)
			continue
		}
		sealed, err := evidence.SealedOf(leaf)
		must(err)
		if sealed == nil {
			continue
		}
		ct, err := b.Ciphertext(*sealed)
		must(err)
		if leaf.Type == evidence.TypeRecording {
			chunk, err := evidence.Body[evidence.Recording](leaf)
			must(err)
			for f, err := range record.Read(t.Context(), oneBlob{ct}, recordings[leaf.Session], leaf.Session, []evidence.Recording{chunk}) {
				must(err)
				out.frames = append(out.frames, f.Data)
			}
			continue
		}
		in, err := evidence.Body[evidence.Intent](leaf) // a denial has its number and no Of
		must(err)
		plain, err := texts[leaf.Session].Open(nil, ct, evidence.AppendAAD(nil, leaf.Session, in.Stmt, evidence.PurposeText))
		must(err)
		out.texts = append(out.texts, openedText{in.Of != 0, plain})
	}
	return out
}

func keysOf(t *testing.T, g *gatewaytest.Gateway, v *vault.Vault, b *evidence.Bundle, leaf evidence.Leaf[json.RawMessage]) (text, recording *vault.OpenKey) {
	t.Helper()
	open, err := evidence.Body[evidence.SessionOpen](leaf)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(b.Halves, func(h evidence.Half) bool { return h.Session == leaf.Session })
	if i < 0 || len(open.Keys) != 3 {
		t.Fatalf("session %s has %d wrapped keys and half %d", leaf.Session, len(open.Keys), i)
	}
	if text, err = vault.OpenAge(open.Keys[0], b.Halves[i].Half, g.Auditor); err != nil {
		t.Fatal(err)
	}
	if recording, err = v.UnwrapKey(open.Keys[2]); err != nil {
		t.Fatal(err)
	}
	return text, recording
}

// oneBlob gives the same ciphertext whatever is asked for.
type oneBlob struct{ b []byte }

func (o oneBlob) Get(context.Context, string) ([]byte, error) { return o.b, nil }
