// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// SearchKey is what a search knows of a patient under one privacy key.
type SearchKey struct {
	ID string // [PrivacyKeyID]
	// Blinded are the blinded values of the forms that the patient's key may have.
	Blinded []uint64
}

// Search looks in the events of a log, given in order to [Search.Leaf], for the
// statements whose answers were made of rows of one patient.
//
// It knows the whole of a session only if it is given its opening; what a session
// did whose opening it was not given is not searched.
type Search struct {
	Namespace string
	Resource  sallyport.ResourceID // "" for every one
	From, To  time.Time            // of statements, in [From, To); zero where not bounded
	Keys      []SearchKey
	// Most bounds each list of the result; what is more is counted. 0 is no bound.
	Most int

	result   Sightings
	sessions map[sallyport.SessionID]*searched
	others   map[[2]string]uint64 // sessions by resource and namespace
}

// Sightings is what a search found.
type Sightings struct {
	// Found are the statements in whose sets the patient is; with the likelihood
	// that FalseRate says, one of them is there by chance.
	Found []Sighting `json:"found"`
	// Unknown are those that may concern any patient of the tables that they name.
	Unknown []Sighting `json:"unknown"`
	// FoundCount and UnknownCount count those as well that the lists had no room for.
	FoundCount   uint64 `json:"found_count"`
	UnknownCount uint64 `json:"unknown_count"`
	// Searched counts the statements whose sets were searched, and ExpectedFalse is
	// the number of false hits to be expected among all of them: the sum over them of
	// the rate of the set, times the forms of the key that were tried.
	Searched      uint64  `json:"searched"`
	ExpectedFalse float64 `json:"expected_false"`
	Sessions      uint64  `json:"sessions"` // that record whose rows are in their answers, under this namespace
	// Unsearched counts the sessions of which nothing can be said.
	Unsearched []UnsearchedSessions `json:"unsearched"`
}

// UnsearchedSessions counts sessions on a resource that named no key of patients
// when they were opened, or one of another namespace.
type UnsearchedSessions struct {
	Resource  sallyport.ResourceID `json:"resource"`
	Namespace string               `json:"namespace,omitempty"`
	Sessions  uint64               `json:"sessions"`
}

// Sighting is a statement of a result.
type Sighting struct {
	Index     uint64                `json:"index"` // of the leaf that it follows from
	Session   sallyport.SessionID   `json:"session"`
	Stmt      uint64                `json:"stmt"`
	At        time.Time             `json:"at"`
	Principal sallyport.PrincipalID `json:"principal"`
	// OnBehalf is on whose behalf the principal acted, the nearest first.
	OnBehalf []sallyport.Subject  `json:"on_behalf,omitempty"`
	Resource sallyport.ResourceID `json:"resource"`
	Role     sallyport.RoleID     `json:"role"`
	Class    string               `json:"class"`
	Readable string               `json:"readable"`
	Effects  []string             `json:"effects,omitempty"`
	Status   string               `json:"status,omitempty"` // of the outcome; "" when there is none
	Rows     uint64               `json:"rows"`             // of the whole answer
	Shown    string               `json:"shown,omitempty"`  // as in [Disclosure]
	// Of those found:
	Patients  uint64  `json:"patients,omitempty"` // different ones in the answer
	FalseRate float64 `json:"false_rate,omitempty"`
	// Of those unknown:
	Relations []string `json:"relations,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	// Affected is how many rows are unascribed; of a reason that counts none, 0.
	Affected uint64 `json:"unascribed,omitempty"`
}

// searched is a session that is being followed.
type searched struct {
	open  SessionOpen
	texts map[uint64]*saidText // by the number of the statement that holds the text
	kept  []uint64             // the keys of texts, the oldest first
	stmts map[uint64]*searchedStmt
}

// maxTexts bounds the texts that are remembered of a session. A statement that was
// prepared longer ago is found without its text.
const maxTexts = 20_000

func (in *searched) remember(holder uint64, t *saidText) {
	if in.texts[holder] == nil {
		in.kept = append(in.kept, holder)
	}
	in.texts[holder] = t
	if len(in.kept) > maxTexts {
		delete(in.texts, in.kept[0])
		in.kept = in.kept[1:]
	}
}

type saidText struct {
	class, readable string
	effects         []string
	objects         []string
}

// searchedStmt is a statement whose outcome has not come yet.
type searchedStmt struct {
	index   uint64
	at      time.Time
	text    *saidText
	last    *Disclosure // the latest part, without its data
	hit     bool
	unknown []UnknownPatients
}

// Leaf takes the next leaf of the log.
func (s *Search) Leaf(index uint64, raw []byte) error {
	t, err := typeOf(raw)
	if err != nil {
		return err
	}
	switch t {
	case TypeSessionOpen:
		return readLeaf(raw, func(l *Leaf[SessionOpen]) error { s.open(l); return nil })
	case TypeSessionClose:
		return readLeaf(raw, func(l *Leaf[struct{}]) error { s.close(l.Session); return nil })
	case TypeIntent:
		return readLeaf(raw, func(l *Leaf[searchedIntent]) error {
			if in := s.sessions[l.Session]; in != nil {
				s.intent(in, index, l.Time, &l.Body)
			}
			return nil
		})
	case TypeDisclosure:
		return readLeaf(raw, func(l *Leaf[Disclosure]) error {
			if in := s.sessions[l.Session]; in != nil {
				return s.disclosure(in, l.Session, index, &l.Body)
			}
			return nil
		})
	case TypeOutcome:
		return readLeaf(raw, func(l *Leaf[searchedOutcome]) error {
			if in := s.sessions[l.Session]; in != nil {
				s.outcome(in, l.Session, &l.Body)
			}
			return nil
		})
	}
	return nil
}

// typeOf returns the type of a leaf. It stands at the beginning of those that this
// package writes, so that most leaves need not be read.
func typeOf(raw []byte) (Type, error) {
	if rest, ok := bytes.CutPrefix(raw, []byte(`{"v":1,"type":"`)); ok {
		if end := bytes.IndexByte(rest, '"'); end > 0 {
			return Type(rest[:end]), nil
		}
	}
	leaf, err := ParseLeaf(raw)
	return leaf.Type, err
}

// readLeaf reads a leaf in one go and gives it to take.
func readLeaf[B any](raw []byte, take func(*Leaf[B]) error) error {
	const op = "leaf parse"
	var leaf Leaf[B]
	if len(raw) > MaxLeaf {
		return sallyport.E(sallyport.Integrity, op, "a leaf is too large")
	}
	if err := json.Unmarshal(raw, &leaf); err != nil {
		return sallyport.E(sallyport.Integrity, op, "a leaf is not a JSON object of its type").Because(plain(err))
	}
	if leaf.V != LeafVersion {
		return sallyport.E(sallyport.Integrity, op, "a leaf has a version that is not known")
	}
	return take(&leaf)
}

// searchedIntent and searchedOutcome are what a search needs of [Intent] and
// [Outcome].
type searchedIntent struct {
	Stmt     uint64   `json:"stmt"`
	Phase    string   `json:"phase"`
	Of       uint64   `json:"of"`
	Class    string   `json:"class"`
	Readable string   `json:"readable"`
	Objects  []string `json:"objects"`
	Effects  []string `json:"effects"`
}

type searchedOutcome struct {
	Stmt   uint64 `json:"stmt"`
	Status string `json:"status"`
	Rows   uint64 `json:"rows"`
}

func (s *Search) open(leaf *Leaf[SessionOpen]) {
	b := leaf.Body
	switch {
	case s.Resource != "" && b.Resource != s.Resource, !s.To.IsZero() && !leaf.Time.Before(s.To):
	case b.Patients == s.Namespace:
		if s.sessions == nil {
			s.sessions = map[sallyport.SessionID]*searched{}
		}
		b.Keys = nil
		s.sessions[leaf.Session] = &searched{open: b, texts: map[uint64]*saidText{}, stmts: map[uint64]*searchedStmt{}}
		s.result.Sessions++
	default:
		if s.others == nil {
			s.others = map[[2]string]uint64{}
		}
		s.others[[2]string{string(b.Resource), b.Patients}]++
	}
}

func (s *Search) within(at time.Time) bool {
	return !at.Before(s.From) && (s.To.IsZero() || at.Before(s.To))
}

func (s *Search) intent(in *searched, index uint64, at time.Time, b *searchedIntent) {
	holder := b.Of
	if holder == 0 {
		holder = b.Stmt
	}
	if b.Readable != "" {
		in.remember(holder, &saidText{class: b.Class, readable: b.Readable, effects: b.Effects, objects: b.Objects})
	}
	if b.Phase == "execute" && s.within(at) {
		text := in.texts[holder]
		if text == nil {
			text = &saidText{class: b.Class}
		}
		in.stmts[b.Stmt] = &searchedStmt{index: index, at: at, text: text}
	}
}

func (s *Search) disclosure(in *searched, id sallyport.SessionID, index uint64, b *Disclosure) error {
	st := in.stmts[b.Stmt]
	if st == nil || b.Namespace != s.Namespace {
		return nil
	}
	st.unknown = append(st.unknown, b.Unknown...)
	first := st.last == nil
	known := *b
	known.Data, known.Unknown = nil, nil
	st.last, st.index = &known, index
	if b.Form == "" {
		return b.check()
	}
	at := slices.IndexFunc(s.Keys, func(k SearchKey) bool { return k.ID == b.KeyID })
	if at < 0 {
		if first {
			st.unknown = append(st.unknown, UnknownPatients{Relations: st.text.objects, Reason: UnknownKeyAbsent, Rows: b.Rows})
		}
		return nil
	}
	salt := NewSalt(id, b.Stmt)
	values := make([]uint64, len(s.Keys[at].Blinded))
	for i, v := range s.Keys[at].Blinded {
		values[i] = salt.Of(v)
	}
	hit, err := b.Has(values...)
	if err != nil {
		return err
	}
	st.hit = st.hit || hit
	if first {
		s.result.Searched++
		s.result.ExpectedFalse += b.FalseRate() * float64(len(values))
	}
	return nil
}

func (s *Search) outcome(in *searched, id sallyport.SessionID, b *searchedOutcome) {
	st := in.stmts[b.Stmt]
	if st == nil {
		return
	}
	delete(in.stmts, b.Stmt)
	base := in.sighting(id, b.Stmt, st)
	base.Status, base.Rows = b.Status, b.Rows
	s.found(base, st)
	for _, u := range st.unknown {
		s.unknown(base, u)
	}
}

func (in *searched) sighting(id sallyport.SessionID, stmt uint64, st *searchedStmt) Sighting {
	x := Sighting{
		Index: st.index, Session: id, Stmt: stmt, At: st.at, Principal: in.open.Principal.ID, OnBehalf: in.open.Principal.Delegation,
		Resource: in.open.Resource, Role: in.open.Role, Class: st.text.class, Readable: st.text.readable, Effects: st.text.effects,
	}
	if st.last != nil {
		x.Shown = st.last.Shown
	}
	return x
}

func (s *Search) found(x Sighting, st *searchedStmt) {
	if !st.hit {
		return
	}
	x.Patients, x.FalseRate = st.last.Patients, st.last.FalseRate()
	s.result.FoundCount++
	s.result.Found = s.keep(s.result.Found, x)
}

func (s *Search) unknown(x Sighting, u UnknownPatients) {
	x.Relations, x.Reason, x.Affected = u.Relations, u.Reason, u.Rows
	s.result.UnknownCount++
	s.result.Unknown = s.keep(s.result.Unknown, x)
}

func (s *Search) keep(list []Sighting, x Sighting) []Sighting {
	if s.Most > 0 && len(list) >= s.Most {
		return list
	}
	return append(list, x)
}

// close ends a session. Statements without an outcome may have been executed, and
// nobody knows what their answers were.
func (s *Search) close(id sallyport.SessionID) {
	in := s.sessions[id]
	if in == nil {
		return
	}
	for _, stmt := range sortedKeys(in.stmts) {
		st := in.stmts[stmt]
		if !slices.ContainsFunc(st.text.effects, func(e string) bool { return e != sallyport.Control.String() }) {
			continue
		}
		x := in.sighting(id, stmt, st)
		s.found(x, st)
		s.unknown(x, UnknownPatients{Relations: st.text.objects, Reason: UnknownOutcome})
	}
	delete(s.sessions, id)
}

// Result ends the search. Statements come in the order in which they ended.
func (s *Search) Result() Sightings {
	for _, id := range sortedKeys(s.sessions) {
		s.close(id)
	}
	for at, n := range s.others {
		s.result.Unsearched = append(s.result.Unsearched, UnsearchedSessions{Resource: sallyport.ResourceID(at[0]), Namespace: at[1], Sessions: n})
	}
	slices.SortFunc(s.result.Unsearched, func(a, b UnsearchedSessions) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Namespace, b.Namespace))
	})
	return s.result
}

// PatientForms returns the forms in which a patient's key, as a person writes it,
// may have been recorded: as it is; without the spaces around it; and one that
// reads as a UUID in the form in which those are.
func PatientForms(key string) []string {
	forms := []string{key}
	bare := strings.TrimSpace(key)
	if bare != key {
		forms = append(forms, bare)
	}
	if u, ok := uuidForm(bare); ok && u != bare {
		forms = append(forms, u)
	}
	return forms
}

// uuidForm returns the lower-case form with hyphens of what PostgreSQL reads as a
// UUID: 32 hexadecimal digits, hyphens after groups of four, braces around them.
func uuidForm(s string) (string, bool) {
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		if s, ok = strings.CutSuffix(inner, "}"); !ok {
			return "", false
		}
	}
	s = strings.ToLower(strings.ReplaceAll(s, "-", ""))
	if len(s) != 32 || strings.Trim(s, "0123456789abcdef") != "" {
		return "", false
	}
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], true
}

// NewSearchKey blinds a patient's key for a search under one privacy key.
func NewSearchKey(secret []byte, namespace, patient string) SearchKey {
	b := NewBlinder(secret, namespace)
	k := SearchKey{ID: PrivacyKeyID(secret)}
	for _, form := range PatientForms(patient) {
		k.Blinded = append(k.Blinded, b.Blind([]byte(form)))
	}
	return k
}
