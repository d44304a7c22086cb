// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

const filesPolicy = `
@id("connect") permit(principal in Role::"ops", action == Action::"connect", resource == Resource::"box");
@id("see") permit(principal in Role::"ops", action == Action::"read", resource in Path::"box$DIR");
@id("change") permit(principal in Role::"ops", action in [Action::"write", Action::"define", Action::"delete"], resource in Path::"box$DIR/drop");
@id("spill") permit(principal in Role::"ops", action in [Action::"write", Action::"define"], resource in Path::"box$DIR/public/in");
@id("scanned") permit(principal in Role::"ops", action == Action::"readScanned", resource in Label::"phi");
@id("raw") permit(principal in Role::"ops", action == Action::"readRaw", resource in Label::"public");
@id("ask-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"delete", resource == Path::"box$DIR/drop/held.txt") unless { context has approval };
@id("never") forbid(principal, action, resource in Path::"box$DIR/data/secret");
`

const filesSection = `      files:
        max_file: 2MiB
        prefixes:
          - {prefix: $DIR/data, labels: [phi]}
          - {prefix: $DIR/data/secret, labels: [phi]}
          - {prefix: $DIR/named, labels: [phi], plain_names: true}
          - {prefix: $DIR/public, labels: [public], plain_names: true}
          - {prefix: $DIR/drop, labels: [public], plain_names: true}
          - {prefix: $DIR/hidden, labels: [hidden]}
`

// share is a gateway before a server with files, and a directory of the client's.
type share struct {
	*world
	dir string // of the server
	own string // of the client
}

func startShare(t *testing.T, change ...func(*setup)) *share {
	t.Helper()
	dir := t.TempDir()
	at := func(s string) string { return strings.ReplaceAll(s, "$DIR", dir) }
	for _, d := range []string{"data/secret", "named", "public/in", "drop", "hidden", "elsewhere"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := setup{policy: at(filesPolicy), extra: at(filesSection), peer: sshpeer.Options{Dir: dir}}
	for _, f := range change {
		f(&s)
	}
	w := &share{start(t, s), dir, t.TempDir()}
	w.config()
	return w
}

// file puts a file at the server.
func (s *share) file(name, content string) string {
	s.t.Helper()
	p := filepath.Join(s.dir, name)
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	// Long ago, so that it does not count as just changed.
	if err := os.Chtimes(p, time.Unix(1_700_000_000, 0), time.Unix(1_700_000_000, 0)); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// mine puts a file at the client.
func (s *share) mine(name, content string) string {
	s.t.Helper()
	p := filepath.Join(s.own, name)
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// is fails the test where a file holds something else.
func (s *share) is(name, want string) {
	s.t.Helper()
	b, err := os.ReadFile(name)
	if err != nil || string(b) != want {
		s.t.Errorf("%s holds %.200q, %v; want %.200q", filepath.Base(name), b, err, want)
	}
}

// client runs one of OpenSSH's programs in the client's directory.
func (s *share) client(stdin, program string, args ...string) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "HOME="+s.world.dir, "SSH_AUTH_SOCK=", "DISPLAY=")
	cmd.Dir, cmd.WaitDelay, cmd.Stdin = s.own, 10*time.Second, strings.NewReader(stdin)
	return run(s.t, cmd)
}

func (s *share) options(more ...string) []string {
	return append([]string{"-q", "-F", filepath.Join(s.world.dir, "config")}, more...)
}

// sftp runs lines of OpenSSH's sftp; one that begins with "-" may fail.
func (s *share) sftp(lines ...string) answer {
	s.t.Helper()
	return s.client(strings.Join(lines, "\n")+"\n", "sftp", s.options("-b", "-", "box")...)
}

// What policy shows as it is goes both ways as it does without a gateway.
func TestSFTP(t *testing.T) {
	s := startShare(t)
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	s.file("public/a.txt", "hello\n")
	s.file("public/big", big)
	s.mine("b.txt", "from here\n")
	s.mine("big", big)
	s.mine("part", big[:1000])
	a := s.sftp("cd public", "pwd", "get a.txt", "get big got", "reget big part", "ls -1", "cd ../drop", "put b.txt", "put big", "mkdir d", "rename b.txt d/c.txt", "chmod 600 d/c.txt",
		"ln -s d/c.txt l", "get l through", "ln d/c.txt hard", "cp d/c.txt copied", "rm hard", "df", "ls -l d", "put -p b.txt timed", "rm l", "mkdir e", "rmdir e")
	if a.code != 0 {
		t.Fatalf("sftp ended with %d\n%s\n%s", a.code, a.out, a.err)
	}
	for _, want := range []string{"Remote working directory: " + s.dir + "/public", "a.txt\nbig\nin\n", "c.txt", "-rw-------"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("sftp did not say %q:\n%s", want, a.out)
		}
	}
	s.is(filepath.Join(s.own, "a.txt"), "hello\n")
	s.is(filepath.Join(s.own, "got"), big)
	s.is(filepath.Join(s.own, "part"), big)
	s.is(filepath.Join(s.own, "through"), "from here\n")
	s.is(filepath.Join(s.dir, "drop/big"), big)
	s.is(filepath.Join(s.dir, "drop/d/c.txt"), "from here\n")
	s.is(filepath.Join(s.dir, "drop/copied"), "from here\n")
	if left, _ := filepath.Glob(filepath.Join(s.dir, "drop/*")); len(left) != 4 {
		t.Errorf("left are %q", left)
	}
	// Whole directories, and a download that goes on where it stopped.
	if a := s.sftp("get -r "+s.dir+"/public copy", "put -r copy "+s.dir+"/drop/again", "ls "+s.dir+"/drop/again"); a.code != 0 {
		t.Fatalf("directories: %d\n%s\n%s", a.code, a.out, a.err)
	}
	s.is(filepath.Join(s.own, "copy/big"), big)
	s.is(filepath.Join(s.dir, "drop/again/a.txt"), "hello\n")
	s.Stop(t)
	var ledger []byte
	for name, b := range s.Traces(t) {
		if strings.Contains(name, "/ledger/wal/") {
			ledger = append(ledger, b...)
		}
	}
	for _, want := range []string{`"files.get ` + s.dir + `/public/a.txt"`, `"tag":"download 6 `, `"tag":"upload 10 `, `"files.rename ` + s.dir + `/drop/b.txt to `, `"tag":"list"`} {
		if !bytes.Contains(ledger, []byte(want)) {
			t.Errorf("the ledger has no %s", want)
		}
	}
}

type visit struct {
	Name string `parquet:"name"`
	SSN  string `parquet:"ssn"`
}

// patients is a file with a canary, in several formats.
func patients(t *testing.T) map[string]string {
	t.Helper()
	csv := "mrn,name,ssn\n1001,Ada Example," + canary + "\n"
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte(csv)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	p := parquet.NewGenericWriter[visit](&table)
	if _, err := p.Write([]visit{{"Ada Example", canary}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"p.parquet": table.String(), "p.csv": csv, "p.csv.gz": z.String(), "p.json": `{"name":"Ada Example","ssn":"` + canary + `"}`, "p.ndjson": `{"ssn":"` + canary + `"}` + "\n",
		"p.txt": "Seen today. SSN " + canary + ".\n",
	}
}

// unpacked is what is in a file that is packed, and the file otherwise.
func unpacked(t *testing.T, name string, b []byte) []byte {
	t.Helper()
	if !strings.HasSuffix(name, ".gz") {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(z)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A masked file is another file, with its own size, whole or in part; what no mask
// knows is not given out, and says why.
func TestSFTPMasked(t *testing.T) {
	s := startShare(t)
	for name, content := range patients(t) {
		s.file("data/"+name, content)
		s.file("named/"+name, content)
		s.file("hidden/"+name, content)
	}
	s.file("data/p.bin", "\x7fELF\x00\x01\x02"+canary)
	for _, dir := range []string{"data", "named"} {
		for name := range patients(t) {
			a := s.sftp("get "+s.dir+"/"+dir+"/"+name+" got", "ls -l "+s.dir+"/"+dir+"/"+name)
			b, err := os.ReadFile(filepath.Join(s.own, "got"))
			if clear := unpacked(t, name, b); a.code != 0 || err != nil || len(clear) == 0 || bytes.Contains(clear, []byte(canary)) {
				t.Fatalf("%s: %d %q %v\n%s\n%s", name, a.code, clear, err, a.out, a.err)
			}
			if !strings.Contains(a.out, fmt.Sprintf(" %d ", len(b))) {
				t.Errorf("%s: %d bytes came, and the listing says\n%s", name, len(b), a.out)
			}
			whole := string(b)
			s.mine("got", whole[:len(whole)/2])
			if a := s.sftp("reget " + s.dir + "/" + dir + "/" + name + " got"); a.code != 0 {
				t.Errorf("reget of %s: %d %s", name, a.code, a.err)
			}
			s.is(filepath.Join(s.own, "got"), whole)
		}
	}
	for _, name := range []string{"data/p.bin", "hidden/p.txt"} {
		if a := s.sftp("get " + s.dir + "/" + name + " got.bin"); a.code == 0 || !strings.Contains(a.err, "sallyport: the object is") {
			t.Errorf("%s: %d\n%s", name, a.code, a.err)
		}
	}
	// Of columns that are labelled even a role that may see no text sees the others.
	if a := s.sftp("get " + s.dir + "/hidden/p.csv got.csv"); a.code != 0 {
		t.Errorf("a table: %d %s", a.code, a.err)
	}
	s.nothing("got", "got.csv")
}

// nothing fails the test where a canary has come to rest.
func (s *share) nothing(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if b, err := os.ReadFile(filepath.Join(s.own, name)); err == nil && bytes.Contains(b, []byte(canary)) {
			s.t.Errorf("%s has the canary", name)
		}
	}
	s.Stop(s.t)
	for name, b := range s.Traces(s.t) {
		if bytes.Contains(b, []byte(canary)) {
			s.t.Errorf("%s has the canary", name)
		}
	}
}
