// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

const opDerive = "bundle derive"

// Deriver computes from leaves, in the order of the log, the files of a bundle
// that only say in another form what the leaves say: the tables and the texts of
// the policies. A verifier derives them again and compares. It holds what is
// open: sessions that have not been closed, statements without an outcome, and
// what humans decided.
type Deriver struct {
	create   func(name string) (io.WriteCloser, error)
	tables   map[string]*tableWriter
	life     liveness
	policies policies

	sessions   map[sallyport.SessionID]*sessionState
	requests   map[sallyport.RequestID]*requestState
	grants     map[sallyport.GrantID]*grantState
	identities map[sallyport.PrincipalID]*identityState
	unsettled  []Unsettled
	erasures   erasures
	pruned     []string // prunings of the log, in words

	config configs
	sheets map[sheetKey]*sheet
	book   *workbook
	tally  tally
}

// Unsettled is a statement whose intent has no outcome: it may have executed.
type Unsettled struct {
	Session sallyport.SessionID
	Stmt    uint64
	Leaf    uint64
	Time    time.Time
}

// NewDeriver begins the files. create opens one for writing; it is closed when
// it is whole. It may return nil for a file that is not wanted.
func NewDeriver(scope Scope, create func(name string) (io.WriteCloser, error)) (*Deriver, error) {
	d := &Deriver{
		create: create, tables: map[string]*tableWriter{}, life: liveness{scope: scope}, policies: newPolicies(),
		sessions: map[sallyport.SessionID]*sessionState{}, requests: map[sallyport.RequestID]*requestState{},
		grants: map[sallyport.GrantID]*grantState{}, identities: map[sallyport.PrincipalID]*identityState{},
		erasures: newErasures(),
		config:   newConfigs(), sheets: map[sheetKey]*sheet{}, tally: newTally(),
	}
	book, err := create(WorkbookName)
	if err != nil {
		return nil, err
	}
	d.book = newWorkbook(book)
	d.tally.index = d.book.sheet("Index", indexColumns(), true)
	for _, t := range Tables() {
		w, err := newTableWriter(t, create)
		if err != nil {
			return nil, err
		}
		w.sheet = d.book.sheet(sheetName(t.Name), t.Columns, false)
		d.tables[t.Name] = w
	}
	return d, nil
}

// Add takes the next leaf. Errors: Integrity for a leaf that no gateway writes,
// and those of writing. It does not keep raw.
func (d *Deriver) Add(index uint64, raw []byte) error {
	e, err := parseEvent(index, raw)
	if err != nil {
		return fmt.Errorf("leaf %d: %w", index, err)
	}
	if err := d.take(e); err != nil {
		return fmt.Errorf("leaf %d: %w", index, err)
	}
	return nil
}

// take takes the next event.
func (d *Deriver) take(e event) error {
	d.tally.leaves++
	if err := d.life.take(e); err != nil {
		return sallyport.E(sallyport.Integrity, opDerive, err.Error())
	}
	d.erasures.take(e) // before anything is taken out of bodies
	if e.leaf.Session != "" {
		return d.takeSession(e)
	}
	switch b := e.body.(type) {
	case *PolicyLoaded:
		return d.policies.add(*b)
	case *Request:
		d.request(e, b)
	case *Decision:
		return d.decision(e, b)
	case *GrantEvent:
		d.grant(e, b)
	case *Identity:
		return d.login(e, b)
	case *Token:
		return d.token(e, b)
	case *Denial: // of a connection
		return d.denial(e, b, &sessionState{})
	case *Export:
		return d.review(e, "evidence exported", b.By, b.Filter, b.Purpose, b.Size)
	case *ConfigLoaded:
		d.config.take(e, b)
	case *Review:
		return d.reviewEvent(e, b)
	case *Replay:
		return d.review(e, "recording replayed", b.By, string(b.Session), "", 0)
	case *EvidenceOpen:
		return d.review(e, "exact texts opened", b.By, string(b.OfSession), b.Purpose, 0)
	case *WhoSaw:
		return d.review(e, "statements of a patient searched", b.By, string(b.Resource), b.Purpose, 0)
	case *LogPruned:
		d.pruned = append(d.pruned, fmt.Sprintf("the log was pruned up to leaf %d on %s by %s (event %d)", b.Minimum, e.leaf.Time.UTC().Format(time.DateOnly), b.By, e.index))
	}
	return nil
}

// Close writes what is still open and ends the files.
func (d *Deriver) Close() error {
	d.life.finish()
	for _, id := range sortedBy(d.sessions, func(s *sessionState) uint64 { return s.index }) {
		if err := d.endSession(id, d.sessions[id], nil); err != nil {
			return err
		}
	}
	for _, write := range []func() error{
		d.writeRequests, d.writeGrants, d.writeIdentities, d.writeMachines, d.writeConfig, d.writeEmergency, d.writeSheets,
		func() error { return d.life.write(d.tables[tableLiveness]) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	for _, t := range Tables() {
		if err := d.tables[t.Name].close(); err != nil {
			return err
		}
	}
	if err := d.writeIndex(); err != nil {
		return err
	}
	if err := d.book.close(); err != nil {
		return err
	}
	slices.SortFunc(d.unsettled, func(a, b Unsettled) int { return cmp.Compare(a.Leaf, b.Leaf) })
	files := append(d.policies.files(), d.pages()...)
	erased, err := d.erasures.file()
	if err != nil {
		return err
	}
	if erased != nil {
		files = append(files, File{ErasedName, erased})
	}
	for _, f := range files {
		w, err := d.create(f.Name)
		if err != nil {
			return err
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(f.Content); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}

// sortedBy returns a map's keys in the order of the log.
func sortedBy[K comparable, V any](m map[K]*V, index func(*V) uint64) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int { return cmp.Compare(index(m[a]), index(m[b])) })
	return keys
}
