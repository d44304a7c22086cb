// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"sync"

	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/disclosure"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// expectKind says which answer of the server is due.
type expectKind uint8

const (
	expectParse    expectKind = iota // ParseComplete, after the statement's tree
	expectDescribe                   // ParameterDescription and RowDescription or NoData
	expectBind                       // BindComplete
	expectExecute                    // rows, then CommandComplete, EmptyQueryResponse or PortalSuspended
	expectClose                      // CloseComplete
	expectSync                       // ReadyForQuery
	expectQuery                      // any number of results, then ReadyForQuery
)

// expectation is one answer that the server owes, in the order in which the
// messages were forwarded.
type expectation struct {
	kind expectKind
	// own marks a message of the gateway itself: its answers are not delivered.
	own bool
	// rowsOnly delivers a RowDescription but not NoData: a simple Query has none.
	rowsOnly bool
	ask      *question  // the gateway asks for itself
	prep     *prepared  // Parse, Describe of a statement, Bind
	exec     *execution // Bind, Execute, Query
	// ended is the execution whose portal this message replaces or closes.
	ended *execution
	// refusal replaces the error that the server answers to a refused statement.
	refusal mask.Masked
	refused bool
	// seq numbers the Syncs, so that portals of an earlier one can be dropped.
	seq uint64
}

// prepared is a statement that the server has parsed or is about to.
type prepared struct {
	plan *plan // nil until the lineage is known; guarded by machine.mu
	text []byte
	// fields describe the answer, from the gateway's own Describe.
	fields []pgwire.Field // guarded by machine.mu
	tree   []byte         // the server's tree as it came; server side only
	trees  int            // how many came before ParseComplete; server side only
	again  [][]byte       // trees that came with a Bind; server side only
	// confirmed is true when the server's tree agreed with plan in this session.
	confirmed bool // guarded by machine.mu
	holder    session.Permit
	settled   bool // server side only
	probe     bool // analysed for another statement: no plan is made of its tree
	// rows is the mask of an execution without masks or of the last one, to be
	// forked; server side only.
	rows rowMask

	done chan struct{} // closed when the answers to Parse and Describe are in
	// failed says that the server refused the Parse or skipped it.
	failed  bool   // set before done is closed
	seq     uint64 // the segment in which the Parse was sent
	changes int    // relay.changes when the plan was made; client side only
}

// lost reports whether the server refused or skipped the Parse.
func (p *prepared) lost() bool {
	select {
	case <-p.done:
		return p.failed
	default:
		return false
	}
}

// execution is one statement at work in the target.
type execution struct {
	permit  session.Permit
	adm     *session.Admission // guarded by machine.mu until the first row
	plan    *plan
	prep    *prepared // nil for a simple Query
	formats []int16   // result formats of the Bind
	fields  []pgwire.Field
	changes int // relay.changes after the Bind or the last Execute; client side only

	// What follows belongs to the server side.
	begun  bool // a result's description or a row was seen
	traced bool // the tree of this result was seen and agreed
	rows   *mask.PGPlan
	copy   *mask.PGCopy
	counts []mask.Count
	before uint64 // rows that an earlier mask of the same answer let through
	// withheld is how many fields of diagnostics were not delivered.
	withheld uint64
	n        uint64
	bytes    uint64
	settled  bool
	inner    bool // a tree of a statement inside a function was seen
	copyIn   bool
	shown    bool // the recording has the description of this result

	// What is known of the patients of the answer.
	patients        *disclosure.Collector // nil when no output is a patient's key
	innerTables     []string              // with keys of patients, read inside functions
	unlinked        bool                  // there were rows of unproved lineage
	outputs, masked int                   // that may hold data; and of them, masked
}

// portal is a bound statement.
type portal struct {
	exec *execution
	seq  uint64 // the Sync before which it was made
}

// machine is the state of one session's protocol: which answers are due, and
// what the names of statements, portals and cursors mean. It does no I/O, knows
// no clock and starts nothing; the two sides of a relay share it.
type machine struct {
	mu    sync.Mutex
	queue []expectation // a ring would save the copying; pipelines are short
	head  int
	tx    byte   // of the last ReadyForQuery
	syncs uint64 // segments that the client side has ended
	acked uint64 // the last of them whose ReadyForQuery came
	// skipping says that the server failed in the segment that is still open.
	skipping bool
	lost     []expectation // sent while skipping, to be settled
	dropped  []portal      // unnamed portals that a Query destroyed
	copying  *execution    // a COPY FROM STDIN that the server has asked data for
	empty    chan struct{} // closed when no answer is due; nil when nobody waits

	prepared map[string]*prepared
	portals  map[string]*portal
	cursors  map[string]*plan
}

func newMachine() *machine {
	return &machine{
		tx: pgwire.TxIdle, prepared: map[string]*prepared{}, portals: map[string]*portal{}, cursors: map[string]*plan{},
	}
}

// expect appends an answer that the server will owe.
func (m *machine) expect(e expectation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.kind == expectSync || e.kind == expectQuery {
		m.syncs++
		e.seq = m.syncs
	}
	if m.skipping { // the server discards everything up to a Sync
		if e.kind != expectSync {
			e.lose()
			m.lost = append(m.lost, e)
			return
		}
		m.skipping = false
	}
	if m.head > 64 && m.head*2 > len(m.queue) {
		n := copy(m.queue, m.queue[m.head:])
		clear(m.queue[n:])
		m.queue, m.head = m.queue[:n], 0
	}
	m.queue = append(m.queue, e)
}

// lose tells who waits for an answer that will not come. The caller holds mu.
func (e *expectation) lose() {
	if p := e.prep; p != nil && !p.failed && (e.kind == expectParse || e.kind == expectDescribe && e.own) {
		p.failed = true
		close(p.done)
	}
	if q := e.ask; q != nil && !q.failed {
		q.failed = true
		close(q.done)
	}
}

// discards reports whether the server discards what comes before a Sync.
func (m *machine) discards() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.skipping
}

// unsure reports whether what a name of that segment means is not answered yet
// although the segment has ended.
func (m *machine) unsure(seq uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return seq <= m.syncs && seq > m.acked
}

// dropUnnamed forgets the unnamed statement and portal, which a simple Query
// destroys.
func (m *machine) dropUnnamed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.prepared, "")
	if p := m.portals[""]; p != nil {
		delete(m.portals, "")
		m.dropped = append(m.dropped, *p)
	}
}

// due returns the answer that is due next, or false.
func (m *machine) due() (expectation, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head == len(m.queue) {
		return expectation{}, false
	}
	return m.queue[m.head], true
}

// pop removes the answer that was due.
func (m *machine) pop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue[m.head] = expectation{}
	m.head++
	m.wake()
}

// idle reports whether no answer is due.
func (m *machine) idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head == len(m.queue)
}

// wake tells who waits that no answer is due any longer. The caller holds mu.
func (m *machine) wake() {
	if m.head != len(m.queue) {
		return
	}
	m.queue, m.head = m.queue[:0], 0
	if m.empty != nil {
		close(m.empty)
		m.empty = nil
	}
}

// drained returns a channel that is closed when no answer is due.
func (m *machine) drained() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head == len(m.queue) {
		c := make(chan struct{})
		close(c)
		return c
	}
	if m.empty == nil {
		m.empty = make(chan struct{})
	}
	return m.empty
}

// abandon removes every answer before the next Sync, because the server skips
// those messages after an error, and returns them.
func (m *machine) abandon() []expectation {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.head
	for i < len(m.queue) && m.queue[i].kind != expectSync {
		i++
	}
	var out []expectation
	for _, e := range m.queue[m.head:i] {
		e.lose()
		if e.exec != nil && e.exec.permit == (session.Permit{}) || e.prep != nil && e.prep.holder == (session.Permit{}) {
			m.lost = append(m.lost, e) // not forwarded yet: settled when its segment ends
			continue
		}
		out = append(out, e)
	}
	m.skipping = i == len(m.queue)
	m.head = i
	m.wake()
	return out
}

// remaining returns every answer that never came, and what is bound and was not
// run to its end.
func (m *machine) remaining() []expectation {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := append([]expectation(nil), m.queue[m.head:]...)
	out = append(out, m.lost...)
	for _, p := range m.dropped {
		out = append(out, expectation{kind: expectExecute, exec: p.exec})
	}
	for _, p := range m.portals {
		out = append(out, expectation{kind: expectExecute, exec: p.exec})
	}
	return out
}

// pending returns the executions that are still to run for a statement, so that
// a lineage that turned out different reaches them.
func (m *machine) pending(p *prepared) []*execution {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*execution
	for _, e := range m.queue[m.head:] {
		if e.exec != nil && e.exec.prep == p {
			out = append(out, e.exec)
		}
	}
	for _, q := range m.portals {
		if q.exec.prep == p {
			out = append(out, q.exec)
		}
	}
	return out
}

// ready takes a ReadyForQuery: the transaction's state, and the end of the
// portals that did not outlive it.
// It returns the executions whose portals ended.
func (m *machine) ready(tx byte, seq uint64) (ended []*execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tx, m.acked = tx, seq
	keep := m.dropped[:0]
	for _, p := range m.dropped {
		if p.seq <= seq {
			ended = append(ended, p.exec)
		} else {
			keep = append(keep, p)
		}
	}
	m.dropped = keep
	if tx == pgwire.TxInTransaction {
		return ended
	}
	for name, p := range m.portals {
		if p.seq <= seq {
			ended = append(ended, p.exec)
			delete(m.portals, name)
		}
	}
	// A cursor's name may mean another cursor from now on; one that outlived its
	// transaction must be declared again.
	clear(m.cursors)
	return ended
}

// takeLost returns what the server discarded although it was not forwarded yet
// when the error came.
func (m *machine) takeLost() []expectation {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.lost
	m.lost = nil
	return out
}

// status returns the transaction state of the last ReadyForQuery.
func (m *machine) status() byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tx
}

// deep reports whether so many answers are due that the client must wait.
func (m *machine) deep() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue)-m.head > maxDue
}

// limits on what a client may keep open, to bound memory.
const (
	maxDue      = 50_000
	maxPrepared = 10_000
	maxPortals  = 10_000
)

// setPrepared gives a name to a statement; the unnamed one is replaced.
func (m *machine) setPrepared(name string, p *prepared) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.prepared) >= maxPrepared {
		if _, ok := m.prepared[name]; !ok {
			return false
		}
	}
	m.prepared[name] = p
	p.seq = m.syncs + 1
	return true
}

func (m *machine) lookup(name []byte) *prepared {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.prepared[string(name)]
}

// setPortal gives a name to a bound statement and returns the one that had it.
func (m *machine) setPortal(name string, e *execution) (replaced *execution, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.portals[name]
	if p == nil && len(m.portals) >= maxPortals {
		return nil, false
	}
	delete(m.cursors, name) // FETCH can name a portal as well
	if p != nil {           // the common case reuses the entry
		replaced, p.exec, p.seq = p.exec, e, m.syncs+1
		return replaced, true
	}
	m.portals[name] = &portal{exec: e, seq: m.syncs + 1}
	return nil, true
}

func (m *machine) portal(name []byte) (*execution, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.portals[string(name)]; p != nil {
		return p.exec, p.seq
	}
	return nil, 0
}

// gated returns the statement that an execution runs.
func (m *machine) gated(e *execution) *analyze.Gated {
	m.mu.Lock()
	defer m.mu.Unlock()
	return e.plan.gated
}

// close forgets a statement ('S') or a portal ('P'), and returns what the portal
// had bound.
func (m *machine) close(kind byte, name []byte) *execution {
	m.mu.Lock()
	defer m.mu.Unlock()
	if kind == pgwire.TargetStatement {
		delete(m.prepared, string(name))
		return nil
	}
	delete(m.cursors, string(name)) // one namespace in the server
	p := m.portals[string(name)]
	if p == nil {
		return nil
	}
	delete(m.portals, string(name))
	return p.exec
}

// forget drops what DISCARD and DEALLOCATE remove.
func (m *machine) forget(statements bool, statement string, cursors bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if statements {
		clear(m.prepared)
	}
	if statement != "" {
		delete(m.prepared, statement)
	}
	if cursors {
		clear(m.cursors)
	}
}

func (m *machine) setCursor(name string, p *plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.portals[name] != nil { // bound after the DECLARE: the name means the portal now
		return
	}
	if len(m.cursors) < maxPortals {
		m.cursors[name] = p
	}
}

func (m *machine) cursor(name string) *plan {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[name]
}

func (m *machine) dropCursor(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.cursors, name)
}

// learned stores what the server said about a statement, under the lock that
// the client side reads it with.
func (m *machine) learned(p *prepared, pl *plan, confirmed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.plan, p.confirmed = pl, confirmed
}

// planOf returns a statement's plan, or nil while it is not known.
func (m *machine) planOf(p *prepared) *plan {
	m.mu.Lock()
	defer m.mu.Unlock()
	return p.plan
}

// copyData reports whether the client may send COPY data now: the server asked
// for it, or a COPY FROM STDIN is on its way.
func (m *machine) copyData() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.copying != nil {
		return true
	}
	for _, e := range m.queue[m.head:] {
		if e.exec != nil && e.exec.copyIn {
			return true
		}
	}
	return false
}

func (m *machine) setCopying(e *execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copying = e
}
