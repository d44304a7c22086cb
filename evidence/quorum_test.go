// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

func mustPolicy(t testing.TB, text string) *evidence.TrustPolicy {
	t.Helper()
	p, err := evidence.ParseTrustPolicy([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

// witnesses are the lines of n witnesses W0 to Wn-1.
func witnesses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "witness W%d %s https://w%d.example\n", i, newWitness(fmt.Sprint("w", i)).vkey(), i)
	}
	return b.String()
}

func TestTrustPolicyEvaluates(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, rules string
		demands     bool
		holds       []string // sets of witnesses, by digits
		fails       []string
	}{
		{"none", "quorum none\n", false, []string{"", "0"}, nil},
		{"one", "quorum W1\n", true, []string{"1", "01"}, []string{"", "0", "234"}},
		{"any", "group g any W0 W1\nquorum g\n", true, []string{"0", "1"}, []string{"", "2"}},
		{"all", "group g all W0 W1\nquorum g\n", true, []string{"01"}, []string{"0", "1", "02"}},
		{"two of three", "group g 2 W0 W1 W2\nquorum g\n", true, []string{"01", "12", "012"}, []string{"0", "03", "345"}},
		{
			"two levels", "group x 2 W0 W1 W2\ngroup y any W3 W4 W5\ngroup both all x y\nquorum both\n", true,
			[]string{"013", "125", "012345"},
			[]string{"012", "345", "03", ""},
		},
		{"quorum of a part", "group x 2 W0 W1 W2\ngroup y all x W3\nquorum x\n", true, []string{"01"}, []string{"03"}},
		{"tabs and comments", "\t # a comment\n  \n\tquorum\t W0 \t\n# after\n", true, []string{"0"}, []string{"1"}},
	} {
		p := mustPolicy(t, witnesses(6)+tc.rules)
		if p.Demands() != tc.demands || len(p.Witnesses) != 6 || p.Witnesses[3].URL != "https://w3.example" {
			t.Errorf("%s: demands %v, witnesses %v", tc.name, p.Demands(), p.Witnesses)
		}
		for _, set := range append(append([]string{}, tc.holds...), tc.fails...) {
			want := len(tc.holds) > 0 && contains(tc.holds, set)
			if got := p.Holds(func(i int) bool { return strings.ContainsRune(set, rune('0'+i)) }); got != want {
				t.Errorf("%s: with %q it is %v", tc.name, set, got)
			}
		}
		if string(p.Text()) != witnesses(6)+tc.rules {
			t.Errorf("%s: the text is another", tc.name)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func TestTrustPolicyRefuses(t *testing.T) {
	t.Parallel()
	w0, w1 := newWitness("w0"), newWitness("w1")
	_, logKey := signedBy(t, logName, 1)
	two := "witness A " + w0.vkey() + "\nwitness B " + w1.vkey() + "\n"
	for name, tc := range map[string]struct{ text, says string }{
		"empty":                   {"", "line 1: there is no quorum"},
		"no quorum":               {two, "line 2: there is no quorum"},
		"two quorums":             {"quorum none\nquorum none\n", "line 2: there is a quorum on line 1"},
		"cut":                     {two + "quorum A", "line 3: the last line does not end"},
		"carriage return":         {"quorum none\r\n", "line 1: it has a control"},
		"a zero byte":             {"# \x00\nquorum none\n", "line 1: it has a control"},
		"delete":                  {"# \x7f\nquorum none\n", "line 1: it has a control"},
		"unknown word":            {"quorum none\nwitnesses A\n", `line 2: "witnesses" is none of`},
		"no break space":          {"quorum\u00a0none\n", "is none of"},
		"quorum of nobody":        {two + "quorum C\n", `line 3: "C" is not defined`},
		"quorum of two":           {two + "quorum A B\n", "line 3: want: quorum"},
		"quorum before":           {"quorum A\n" + two, `line 1: "A" is not defined`},
		"group of none":           {two + "group g all none\nquorum g\n", `line 3: "none" is not defined`},
		"name none":               {"witness none " + w0.vkey() + "\nquorum none\n", "line 1: the name none"},
		"name twice":              {two + "group A any B\nquorum A\n", `line 3: the name "A" is taken`},
		"itself":                  {two + "group g any A g\nquorum g\n", `line 3: "g" is not defined`},
		"no member":               {two + "group g all\nquorum g\n", "line 3: want: group"},
		"a member twice":          {two + "group g 2 A A\nquorum g\n", `line 3: "A" is a member already`},
		"a member of two":         {two + "group g any A\ngroup h any A B\nquorum h\n", `line 4: "A" is a member already`},
		"none of two":             {two + "group g 0 A B\nquorum g\n", "line 3: 0 of 2"},
		"three of two":            {two + "group g 3 A B\nquorum g\n", "line 3: 3 of 2"},
		"a leading zero":          {two + "group g 01 A B\nquorum g\n", `line 3: "01" is neither`},
		"a sign":                  {two + "group g +1 A B\nquorum g\n", `line 3: "+1" is neither`},
		"most":                    {two + "group g most A B\nquorum g\n", `line 3: "most" is neither`},
		"a huge number":           {two + "group g 99999999999999999999 A B\nquorum g\n", "line 3:"},
		"a witness by two names":  {two + "witness C " + vkeyOf("other", 4, w0.public()) + "\nquorum none\n", "line 3: the same public key is on line 1"},
		"a log by two names":      {"log " + logKey + "\nlog " + logKey + "\nquorum none\n", "line 2: the same public key is on line 1"},
		"a log's key for witness": {"witness A " + vkeyOf("w0", 1, w0.public()) + "\nquorum none\n", "line 1: the verifier key is one for signatures of logs"},
		"a witness's key for log": {"log " + w0.vkey() + "\nquorum none\n", "line 1: the verifier key is of type 04"},
		"a log without a key":     {"log\nquorum none\n", "line 1: want: log"},
		"a log with more":         {"log " + logKey + " u v\nquorum none\n", "line 1: want: log"},
		"a witness without a key": {"witness A\nquorum none\n", "line 1: want: witness"},
		"a witness with more":     {"witness A " + w0.vkey() + " u v\nquorum none\n", "line 1: want: witness"},
		"too many witnesses":      {witnesses(129) + "quorum none\n", "line 129: there are more than 128"},
		"too large":               {"quorum none\n" + strings.Repeat("#\n", 1<<18), "larger"},
	} {
		_, err := evidence.ParseTrustPolicy([]byte(tc.text))
		if sallyport.KindOf(err) != sallyport.Invalid || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustPolicy(t, witnesses(128)+"quorum none\n")
}

func TestTrustPolicyChecksCheckpoints(t *testing.T) {
	t.Parallel()
	signed, logKey := signedBy(t, logName, 17)
	text := textOf(signed)
	foreign, foreignKey := signedBy(t, "other.example/log", 17)
	w0, w1, w9 := newWitness("w0"), newWitness("w1"), newWitness("w9")
	log, err := note.NewVerifier(logKey)
	if err != nil {
		t.Fatal(err)
	}
	p := mustPolicy(t, "log "+logKey+"\n"+witnesses(2)+"group all all W0 W1\nquorum all\n")
	got, err := p.Check([]byte(signed + w9.line(text, 3) + w1.line(text, 2) + w0.line(text, 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := []evidence.Cosignature{
		{Witness: "W0", Key: w0.vkey()[:11], Time: time.Unix(1, 0).UTC()},
		{Witness: "W1", Key: w1.vkey()[:11], Time: time.Unix(2, 0).UTC()},
	}
	if diff := cmp.Diff(want, got.By); diff != "" || !got.Quorum || got.Checkpoint.Size != 17 || !strings.HasPrefix(logKey, got.Log) {
		t.Errorf("%+v %s", got, diff)
	}
	for name, lines := range map[string]string{
		"nobody": "", "one": w0.line(text, 1), "one twice": w0.line(text, 1) + w0.line(text, 2), "strangers": w9.line(text, 3),
	} {
		if got, err := p.Check([]byte(signed + lines)); err != nil || got.Quorum {
			t.Errorf("cosigned by %s: %+v %v", name, got, err)
		}
	}
	stolen := strings.Replace(w9.line(text, 3), "— w9 ", "— w0 ", 1) // another key's hash under a known name
	if got, err := p.Check([]byte(signed + stolen + w1.line(text, 2))); err != nil || got.Quorum {
		t.Errorf("a stranger under a known name: %+v %v", got, err)
	}
	later, _ := signedBy(t, logName, 18)
	loose := mustPolicy(t, witnesses(2)+"group all all W0 W1\nquorum all\n")
	for name, tc := range map[string]struct {
		p      *evidence.TrustPolicy
		signed string
		logs   []note.Verifier
		kind   sallyport.Kind
	}{
		"another log":              {p, foreign, nil, sallyport.Integrity},
		"a bad cosignature":        {p, signed + w0.line(textOf(later), 1) + w1.line(text, 1), nil, sallyport.Integrity},
		"not signed by the log":    {p, text + "\n" + w0.line(text, 1) + w1.line(text, 1), nil, sallyport.Integrity},
		"garbage":                  {p, "garbage", nil, sallyport.Integrity},
		"huge":                     {p, signed + strings.Repeat(w9.line(text, 1), 4000), nil, sallyport.Integrity},
		"no log known":             {loose, signed, nil, sallyport.Invalid},
		"another log than the key": {loose, foreign, []note.Verifier{log}, sallyport.Integrity},
		"a log under another's origin": {
			mustPolicy(t, "log "+foreignKey+"\nlog "+logKey+"\nquorum none\n"), resigned(t, text, "other.example/log"), nil, sallyport.Integrity,
		},
	} {
		if _, err := tc.p.Check([]byte(tc.signed), tc.logs...); err == nil || sallyport.KindOf(err) != tc.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := loose.Check([]byte(signed+w0.line(text, 1)+w1.line(text, 1)), log); err != nil || !got.Quorum {
		t.Errorf("with the log's key given: %+v %v", got, err)
	}
}

// resigned signs a text with the key of a log of another name.
func resigned(t testing.TB, text, name string) string {
	t.Helper()
	skey, _ := logKeys(t, name)
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	out, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// FuzzTrustPolicy checks that no file ends the parser, and that a policy which is
// read ends in its evaluation.
func FuzzTrustPolicy(f *testing.F) {
	_, logKey := signedBy(f, logName, 1)
	f.Add("log " + logKey + " https://log.example\n" + witnesses(3) + "group g 2 W0 W1 W2\nquorum g\n")
	f.Add(witnesses(2) + "group a any W0\ngroup b all a W1\nquorum b\n")
	f.Add("# none\n\tquorum none\n")
	f.Add("quorum none")
	f.Add("group g 1 none\nquorum g\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := evidence.ParseTrustPolicy([]byte(text))
		if err != nil {
			if !strings.Contains(err.Error(), "line ") || sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatal(err)
			}
			return
		}
		if !p.Holds(func(int) bool { return true }) {
			t.Fatal("a quorum that nobody can reach")
		}
		if p.Demands() == p.Holds(func(int) bool { return false }) {
			t.Fatal("a quorum is reached by nobody")
		}
	})
}
