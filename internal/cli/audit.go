// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

func (a *app) auditCommand() *cobra.Command {
	var keys []string
	var dir, origin, sealKeys string
	var dirKeys []string
	verify := a.command("verify", "Walk the whole ledger", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if dir != "" {
			return a.verifyDir(ctx, dir, origin, dirKeys, sealKeys)
		}
		return a.auditVerify(ctx)
	})
	verify.Long = "Have the gateway walk its whole ledger, or, with --dir, do it here on a ledger's directory that no gateway writes to."
	verify.Flags().StringVar(&dir, "dir", "", "directory of a ledger, such as a copy of data/ledger")
	verify.Flags().StringVar(&origin, "origin", "", "with --dir: the ledger's origin (default: the name in the key)")
	verify.Flags().StringArrayVar(&dirKeys, "key", nil, "with --dir: verifier key that you trust, or @FILE; may be given several times")
	verify.Flags().StringVar(&sealKeys, "seal-key", "", "with --dir: file with keys of seals; the frames that are still there are checked with them")
	var policy string
	checkpoint := a.command("checkpoint", "Print the ledger's latest signed checkpoint", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.auditCheckpoint(ctx, keys, policy) })
	checkpoint.Long = "Print the ledger's latest signed checkpoint (C2SP tlog-checkpoint). With --key its signature is checked here,\n" +
		"with --policy (C2SP tlog-policy) the cosignatures of witnesses too, and that the policy's quorum holds.\n" +
		"Keep checkpoints: a later log that does not grow out of an earlier checkpoint was rewritten."
	checkpoint.Flags().StringArrayVar(&keys, "key", nil, "verifier key that you trust, or @FILE; may be given several times")
	checkpoint.Flags().StringVar(&policy, "policy", "", "file that says which witnesses must have cosigned (C2SP tlog-policy)")
	key := a.command("key", "Print the keys that checkpoints are verified with", cobra.NoArgs,
		func(ctx context.Context, _ []string) error {
			text, err := a.text(ctx, "/v1/audit/key")
			if err != nil {
				return err
			}
			t := table{head: []string{"KEY"}, plain: true}
			keys := strings.Fields(text)
			for _, k := range keys {
				t.rows = append(t.rows, []string{k})
			}
			return a.show(map[string][]string{"keys": keys}, t)
		})
	return a.client(a.group("audit", "Check the ledger", verify, checkpoint, key, a.proofCommand(), a.whoSawCommand(), a.completenessCommand(), a.reviewCommand()))
}

// text gets an answer that is a text.
func (a *app) text(ctx context.Context, path string) (string, error) {
	c, err := a.connect()
	if err != nil {
		return "", err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	res, err := c.send(ctx, http.MethodGet, path, nil, "", nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxSmall))
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", sallyport.E(sallyport.Unavailable, "client", "the gateway's answer broke off").Because(err)
	}
	return string(b), nil
}

func (a *app) auditCheckpoint(ctx context.Context, keys []string, policyName string) error {
	format, err := a.format()
	if err != nil {
		return err
	}
	known, err := verifiers(keys)
	if err != nil {
		return err
	}
	policy, err := trustPolicy(policyName)
	if err != nil {
		return err
	}
	text, err := a.text(ctx, "/v1/audit/checkpoint")
	if err != nil {
		return err
	}
	if len(known) > 0 {
		if _, err := evidence.OpenCheckpoint([]byte(text), note.VerifierList(known...)); err != nil {
			return sallyport.E(sallyport.Integrity, "audit", "the checkpoint is not signed by a key that you trust").
				WithHint("keep it: it may be evidence of a ledger that was replaced").Because(err)
		}
	}
	var by []evidence.Cosignature
	if policy != nil {
		got, err := policy.Check([]byte(text), known...)
		if err != nil {
			return err
		}
		if by = got.By; !got.Quorum {
			return sallyport.E(sallyport.Integrity, "audit", fmt.Sprintf("the quorum of the policy is not reached: %d of its witnesses cosigned the checkpoint", len(by))).
				WithHint("the gateway may not reach its witnesses; keep the checkpoint")
		}
	}
	return a.showCheckpoint(format, text, by, len(known) > 0 || policy != nil)
}

// showCheckpoint prints the checkpoint, which is to be kept as it is, and tells
// beside it who cosigned.
func (a *app) showCheckpoint(format, text string, by []evidence.Cosignature, verified bool) error {
	if format == "json" {
		out := map[string]any{"checkpoint": text, "verified": verified}
		if by != nil {
			out["cosignatures"] = by
		}
		return writeJSON(a.Stdout, out)
	}
	for _, c := range by {
		fmt.Fprintf(a.Stderr, "%s cosigned at %s (%s)\n", clean(c.Witness), stamp(c.Time), clean(c.Key))
	}
	_, err := io.WriteString(a.Stdout, cleanLines(text))
	return err
}

// walk is the answer of GET /v1/audit/verify.
type walk struct {
	OK       bool     `json:"ok"`
	Origin   string   `json:"origin"`
	Leaves   uint64   `json:"leaves"`
	TreeSize uint64   `json:"tree_size"`
	Root     string   `json:"root"`
	Sessions int      `json:"sessions"`
	Open     int      `json:"open"`
	Faults   []string `json:"faults"`
}

// verifyWait is how long the gateway may take to walk its ledger.
const verifyWait = 10 * time.Minute

func (a *app) auditVerify(ctx context.Context) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var w walk
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	raw, err := c.ask(ctx, http.MethodGet, "/v1/audit/verify", nil, nil, &w)
	if err != nil {
		return err
	}
	return a.showWalk(raw, w)
}

func (a *app) showWalk(raw json.RawMessage, w walk) error {
	t := table{
		head: []string{"ORIGIN", "EVENTS", "TREE SIZE", "ROOT", "SESSIONS", "OPEN", "FAULTS"},
		rows: [][]string{{
			w.Origin, fmt.Sprint(w.Leaves), fmt.Sprint(w.TreeSize), w.Root, fmt.Sprint(w.Sessions), fmt.Sprint(w.Open), fmt.Sprint(len(w.Faults)),
		}},
	}
	if err := a.show(raw, t); err != nil {
		return err
	}
	if !w.OK {
		return sallyport.E(sallyport.Integrity, "audit", "the ledger does not verify:\n"+strings.Join(w.Faults, "\n"))
	}
	return nil
}
