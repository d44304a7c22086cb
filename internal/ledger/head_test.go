// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
)

// grow adds leaves to a log and closes it.
func grow(t *testing.T, opt ledger.Options, leaves ...string) {
	t.Helper()
	l := open(t, opt)
	for _, leaf := range leaves {
		if _, err := l.Append(t.Context(), []byte(leaf)); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
}

// TestRolledBack puts older states of a log back under the head of a newer one.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	const headName = "head/checkpoint"
	m := ledgertest.New()
	opt := on(options(t, "d", m), m)
	grow(t, opt, "one", "two")
	old := m.Clone()
	grow(t, opt, "three")
	newest, err := m.ReadFile(headName)
	if err != nil {
		t.Fatal(err)
	}
	set := func(t *testing.T, fs *ledgertest.Mem, head []byte) {
		t.Helper()
		if head == nil {
			if err := fs.Remove(headName); err != nil {
				t.Fatal(err)
			}
			return
		}
		if err := fs.Replace(headName, head); err != nil {
			t.Fatal(err)
		}
	}
	other := ledgertest.New()
	grow(t, on(options(t, "d", other), other), "another", "history", "altogether")
	oldHead, err := old.ReadFile(headName)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		log  *ledgertest.Mem
		head []byte
		want string
	}{
		"restored backup": {old, newest, "ends at leaf 2, the ledger's head names 3"},
		"no ledger":       {ledgertest.New(), newest, "the ledger is missing, its head names 3 leaves"},
		"other history":   {other, newest, "names another tree of 3 leaves"},
		"no head":         {m, nil, "its head is missing"},
		"old head":        {m, oldHead, "the ledger's head is older"},
		"no checkpoint":   {m, []byte("nonsense"), "does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := c.log.Clone()
			if name == "no ledger" {
				if err := fs.MkdirAll("head"); err != nil {
					t.Fatal(err)
				}
			}
			set(t, fs, c.head)
			before := fs.Clone()
			_, err := ledger.Open(t.Context(), on(opt, fs))
			if sallyport.KindOf(err) != sallyport.Integrity || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, file := range before.Names("d") {
				was, _ := before.ReadFile(file)
				is, err := fs.ReadFile(file)
				if err != nil || string(is) != string(was) {
					t.Errorf("%s was changed", file)
				}
			}
		})
	}
}

// TestSecondWriter lets another writer take the head away under a log.
func TestSecondWriter(t *testing.T) {
	t.Parallel()
	m := ledgertest.New()
	opt := on(options(t, "d", m), m)
	l := open(t, opt)
	if _, err := l.Append(t.Context(), []byte("mine")); err != nil {
		t.Fatal(err)
	}
	elsewhere := ledgertest.New()
	grow(t, on(options(t, "d", elsewhere), elsewhere), "theirs")
	theirs, err := elsewhere.ReadFile("head/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Replace("head/checkpoint", theirs); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Publish(t.Context()); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("publishing over another writer's checkpoint: %v", err)
	}
	if _, err := l.Append(t.Context(), []byte("more")); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("the log goes on: %v", err)
	}
	if err := l.Close(t.Context()); err == nil {
		t.Error("closing a poisoned log succeeds")
	}
}

// moody is a signer that can be out of reach.
type moody struct {
	note.Signer
	away bool
}

func (m *moody) Sign(msg []byte) ([]byte, error) {
	if m.away {
		return nil, errors.New("out of reach")
	}
	return m.Signer.Sign(msg)
}

// TestSignerAway checks that a log goes on while its key is out of reach, and
// that all of it is signed when the key is back.
func TestSignerAway(t *testing.T) {
	t.Parallel()
	m := ledgertest.New()
	opt := on(options(t, "d", m), m)
	signer := &moody{Signer: opt.Signers[0]}
	opt.Signers = []note.Signer{signer}
	l := open(t, opt)
	signer.away = true
	for i := range uint64(300) {
		if _, err := l.Append(t.Context(), leafOf(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Publish(t.Context()); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("publishing without the key: %v", err)
	}
	if l.Err() != nil || !l.Stats().Unsigned {
		t.Errorf("poisoned %v, unsigned %v", l.Err(), l.Stats().Unsigned)
	}
	signer.away = false
	if size, err := l.Verify(t.Context()); err != nil || size != 300 {
		t.Errorf("%d leaves, %v", size, err)
	}
	if l.Stats().Unsigned {
		t.Error("still unsigned")
	}
	closeLog(t, l)
}
