// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

// peer runs test/witnesspeer, which is a module of its own. It returns the first
// line that it prints, its standard input, and a function that waits for its end
// and returns the rest.
func peer(t *testing.T, args ...string) (string, io.WriteCloser, func() string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "witnesspeer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "test", "witnesspeer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("test/witnesspeer: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	r := bufio.NewReader(out)
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return strings.TrimSpace(first), in, func() string {
		t.Helper()
		rest, err := io.ReadAll(r)
		must(t, err)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, &stderr)
		}
		return string(rest)
	}
}

// TestClientWithAnotherWitness has the witness of transparency-dev cosign our
// ledger, and then refuse a copy of it.
func TestClientWithAnotherWitness(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	line, in, wait := peer(t, "witness", filepath.Join(t.TempDir(), "db"), "peer.example/w1", g.vkey)
	p := policyOf(t, 1, line)
	client := newClient(t, g, p, c)
	for i := range 5 {
		if i != 2 { // once the same again
			g.grow(t, 1+100*i)
		}
		signed, err := client.Cosign(t.Context())
		must(t, err)
		if got, err := p.Check(signed, g.known); err != nil || !got.Quorum || got.Checkpoint.Size != g.Size() {
			t.Fatalf("%+v %v", got, err)
		}
	}
	forgetful := newClient(t, g, p, c, func(o *witness.ClientOptions) { o.File += "2" })
	_, err := forgetful.Cosign(t.Context()) // it is told the size
	must(t, err)

	for _, n := range []int{1, int(g.Size()), int(g.Size()) + 10} { // shorter, as long, longer
		other := newGateway(t)
		must(t, other.Close(t.Context()))
		other.signer, other.known, other.vkey = g.signer, g.known, g.vkey
		other.dir = t.TempDir()
		other.open(t)
		for range n {
			must(t, other.Post([]byte("another history")))
		}
		must(t, other.Sync(t.Context()))
		if _, err := newClient(t, other, p, c).Cosign(t.Context()); sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("another ledger of %d is cosigned: %v", n, err)
		}
	}
	must(t, in.Close())
	wait()
}

// TestServerWithAnotherLog has our witnesses cosign a log of Tessera, which
// publishes nothing that they have not cosigned.
func TestServerWithAnotherLog(t *testing.T) {
	t.Parallel()
	vkey, in, wait := peer(t, "log", t.TempDir(), "tessera.example/log")
	w0, w1 := newKeeper(t, "witness.example/w0", vkey), newKeeper(t, "witness.example/w1", vkey)
	p := policyOf(t, 2, w0.line(), w1.line())
	_, err := in.Write(p.Text()) // its reading of the policy is the oracle of ours
	must(t, err)
	must(t, in.Close())
	signed := wait()
	known, err := note.NewVerifier(vkey)
	must(t, err)
	got, err := p.Check([]byte(signed), known)
	if err != nil || !got.Quorum || len(got.By) != 2 || got.Checkpoint.Size != 4 {
		t.Errorf("%+v %v\n%s", got, err, signed)
	}
}
