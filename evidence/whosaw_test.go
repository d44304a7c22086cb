// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// record makes the leaves of a log.
type record struct {
	t      testing.TB
	now    time.Time
	leaves [][]byte
}

func put[B any](r *record, typ evidence.Type, id sallyport.SessionID, body B) {
	r.t.Helper()
	r.now = r.now.Add(time.Second)
	b, err := evidence.Marshal(evidence.Leaf[B]{V: evidence.LeafVersion, Type: typ, Origin: "o", Time: r.now, Session: id, Body: body})
	if err != nil {
		r.t.Fatal(err)
	}
	r.leaves = append(r.leaves, b)
}

func (r *record) open(id sallyport.SessionID, res sallyport.ResourceID, patients string) {
	put(r, evidence.TypeSessionOpen, id, evidence.SessionOpen{
		Principal: sallyport.Principal{ID: "ci:x", Delegation: []sallyport.Subject{{ID: "dana"}}}, Resource: res, Role: "etl", Patients: patients,
	})
}

// intent begins a statement that reads; readable is "" for one whose text an
// earlier one holds.
func (r *record) intent(id sallyport.SessionID, stmt, of uint64, readable string) {
	in := evidence.Intent{Stmt: stmt, Of: of, Phase: "execute", Readable: readable}
	if readable != "" {
		in.Class, in.Effects, in.Objects = "select", []string{"read"}, []string{"read table c/p"}
	}
	put(r, evidence.TypeIntent, id, in)
}

func (r *record) patients(id sallyport.SessionID, stmt uint64, secret string, keys ...string) {
	blind := evidence.NewBlinder([]byte(secret), "hospital")
	salt := evidence.NewSalt(id, stmt)
	var values []uint64
	for _, k := range keys {
		values = append(values, salt.Of(blind.Blind([]byte(k))))
	}
	for _, s := range evidence.NewBlindSets(values) {
		put(r, evidence.TypeDisclosure, id, evidence.Disclosure{
			Stmt: stmt, Namespace: "hospital", Key: 1, KeyID: evidence.PrivacyKeyID([]byte(secret)), Rows: 9, BlindSet: s, Shown: "part",
		})
	}
}

func (r *record) outcome(id sallyport.SessionID, stmt uint64) {
	put(r, evidence.TypeOutcome, id, evidence.Outcome{Stmt: stmt, Status: "ok", Rows: 9})
}

// search returns what a search finds, as "session/statement[:reason]".
func (r *record) search(s *evidence.Search, patient string, secrets ...string) (found, unknown string, all evidence.Sightings) {
	r.t.Helper()
	s.Namespace = "hospital"
	for _, secret := range secrets {
		s.Keys = append(s.Keys, evidence.NewSearchKey([]byte(secret), s.Namespace, patient))
	}
	for i, b := range r.leaves {
		if err := s.Leaf(uint64(i), b); err != nil {
			r.t.Fatal(err)
		}
	}
	all = s.Result()
	names := func(list []evidence.Sighting) string {
		var out []string
		for _, x := range list {
			name := string(x.Session) + "/" + string(rune('0'+x.Stmt)) + " " + x.Readable
			if x.Reason != "" {
				name += ":" + x.Reason
			}
			out = append(out, name)
		}
		return strings.Join(out, ", ")
	}
	return names(all.Found), names(all.Unknown), all
}

const otherKey = "another privacy key for tests, long enough"

func TestSearch(t *testing.T) {
	r := &record{t: t, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	put(r, evidence.TypeHeartbeat, "", evidence.Heartbeat{})
	r.open("s1", "clinic", "hospital")
	r.open("s2", "clinic", "")      // before the resource named a key
	r.open("s3", "lab", "hospital") // another resource, the same patients
	r.open("s4", "zoo", "animals")
	r.intent("s1", 1, 0, "a")
	r.patients("s1", 1, privacyKey, "7", "8")
	r.outcome("s1", 1)
	mid := r.now
	r.intent("s1", 2, 1, "") // the same text again
	r.patients("s1", 2, otherKey, "7")
	r.outcome("s1", 2)
	r.intent("s1", 3, 0, "b")
	put(r, evidence.TypeDisclosure, "s1", evidence.Disclosure{
		Stmt: 3, Namespace: "hospital", Unknown: []evidence.UnknownPatients{{Relations: []string{"c/p"}, Reason: evidence.UnknownNoKey, Rows: 4}},
	})
	r.outcome("s1", 3)
	r.intent("s1", 4, 0, "c") // no patients
	r.outcome("s1", 4)
	r.intent("s2", 1, 0, "d")
	r.outcome("s2", 1)
	r.intent("s3", 1, 0, "e")
	r.patients("s3", 1, privacyKey, "7")
	r.outcome("s3", 1)
	r.intent("s4", 1, 0, "f")
	r.outcome("s4", 1)
	r.intent("s1", 5, 0, "g") // at work when the session ended
	put(r, evidence.TypeSessionClose, "s1", evidence.SessionClose{})
	r.intent("s3", 2, 0, "h") // the gateway died behind its record
	r.patients("s3", 2, privacyKey, "7")
	for name, c := range map[string]struct {
		search         evidence.Search
		patient        string
		secrets        []string
		found, unknown string
	}{
		"all": {
			evidence.Search{},
			"7",
			[]string{privacyKey, otherKey},
			"s1/1 a, s1/2 a, s3/1 e, s3/2 h", "s1/3 b:no-key, s1/5 g:no-outcome, s3/2 h:no-outcome",
		},
		"another": {
			evidence.Search{},
			"8",
			[]string{privacyKey, otherKey},
			"s1/1 a", "s1/3 b:no-key, s1/5 g:no-outcome, s3/2 h:no-outcome",
		},
		"without a key": {
			evidence.Search{},
			"7",
			[]string{privacyKey},
			"s1/1 a, s3/1 e, s3/2 h", "s1/2 a:no-privacy-key, s1/3 b:no-key, s1/5 g:no-outcome, s3/2 h:no-outcome",
		},
		"one resource": {evidence.Search{Resource: "lab"}, "7", []string{privacyKey}, "s3/1 e, s3/2 h", "s3/2 h:no-outcome"},
		"until then":   {evidence.Search{To: mid}, "7", []string{privacyKey, otherKey}, "s1/1 a", ""},
		"since then":   {evidence.Search{From: mid, Resource: "clinic"}, "7", []string{otherKey}, "s1/2 a", "s1/3 b:no-key, s1/5 g:no-outcome"},
		"few":          {evidence.Search{Most: 1}, "7", []string{privacyKey, otherKey}, "s1/1 a", "s1/3 b:no-key"},
	} {
		t.Run(name, func(t *testing.T) {
			found, unknown, all := r.search(&c.search, c.patient, c.secrets...)
			if found != c.found || unknown != c.unknown {
				t.Errorf("found %s\nunknown %s", found, unknown)
			}
			if name == "all" || name == "few" {
				if all.FoundCount != 4 || all.UnknownCount != 3 || all.Searched != 4 || all.Sessions != 2 || all.ExpectedFalse <= 0 ||
					!slices.Equal(all.Unsearched, []evidence.UnsearchedSessions{{Resource: "clinic", Sessions: 1}, {Resource: "zoo", Namespace: "animals", Sessions: 1}}) {
					t.Errorf("%+v", all)
				}
				if x := all.Found[0]; x.Principal != "ci:x" || x.OnBehalf[0].ID != "dana" || x.Role != "etl" || x.Patients != 2 || x.Rows != 9 || x.Shown != "part" || x.Index == 0 {
					t.Errorf("%+v", x)
				}
			}
		})
	}
}

// TestSearchRefuses: a log whose sets cannot be read has no answer.
func TestSearchRefuses(t *testing.T) {
	r := &record{t: t}
	r.open("s1", "clinic", "hospital")
	r.intent("s1", 1, 0, "a")
	put(r, evidence.TypeDisclosure, "s1", evidence.Disclosure{
		Stmt: 1, Namespace: "hospital", KeyID: evidence.PrivacyKeyID([]byte(privacyKey)), BlindSet: evidence.BlindSet{Patients: 1, Form: "list", Count: 1},
	})
	s := evidence.Search{Namespace: "hospital", Keys: []evidence.SearchKey{evidence.NewSearchKey([]byte(privacyKey), "hospital", "7")}}
	var err error
	for i, b := range r.leaves {
		if err == nil {
			err = s.Leaf(uint64(i), b)
		}
	}
	if sallyport.KindOf(err) != sallyport.Integrity {
		t.Error(err)
	}
}

// BenchmarkSearch searches a log of statements, each with two masking events.
func BenchmarkSearch(b *testing.B) {
	r := &record{t: b}
	r.open("s1", "clinic", "hospital")
	for i := uint64(1); i <= 1000; i++ {
		r.intent("s1", i, 0, "select mrn, name, note from patients where id = ?")
		r.patients("s1", i, privacyKey, "7", "8", "9")
		r.outcome("s1", i)
		for range 2 {
			put(r, evidence.TypeMasking, "s1", evidence.Masking{Stmt: i, Columns: []string{"clinic/public/patients/name"}, Reason: "label", Operator: "redact"})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		s := evidence.Search{Namespace: "hospital", Keys: []evidence.SearchKey{evidence.NewSearchKey([]byte(privacyKey), "hospital", "17")}}
		for i, leaf := range r.leaves {
			if err := s.Leaf(uint64(i), leaf); err != nil {
				b.Fatal(err)
			}
		}
		if s.Result().Searched != 1000 {
			b.Fatal("not all were searched")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r.leaves)), "ns/leaf")
}
