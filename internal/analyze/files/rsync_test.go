// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
)

func TestRsync(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ line, paths string }{
		{`rsync --server --sender -re.iLsfxCIvu . /srv/a`, "/srv/a"},
		{`rsync --server --sender -logDtpre.iLsfxCIvu --numeric-ids . /srv/a\ b /srv/c`, "/srv/a b|/srv/c"},
		{`rsync --server -vlogDtprze.iLsfxCIvu --delete --compress-choice=zstd . a/`, "a/"},
		{`rsync --server -e.LsfxCIvu . x`, "x"},
	} {
		got, why, is := files.Rsync(tc.line)
		if !is || why != "" || strings.Join(got.Paths, "|") != tc.paths {
			t.Errorf("%s: %+v, %q, %v", tc.line, got, why, is)
			continue
		}
		again := got.Line(got.Paths)
		if back, why, is := files.Rsync(again); !is || why != "" || !slices.Equal(back.Paths, got.Paths) {
			t.Errorf("%s became %s", tc.line, again)
		}
	}
	for _, line := range []string{
		`rsync --server --daemon .`, `rsync --server --sender -re.i --files-from=- . /srv`, `rsync --server --sender -slogDtpre.iLsfxCIvu`, `rsync --server --sender -Lre.i . /srv`,
		`rsync --server --sender -Kre.i . /srv`, `rsync --server --sender -kre.i . /srv`, `rsync --server --sender -Rre.i . /srv`, `rsync --server --sender -re.i . /srv/*`,
		`rsync --server --sender -re.i . ~/x`, `rsync --server --sender -re.i . "/srv/x"`, `rsync --server --sender -re.i . $HOME`, "rsync --server --sender -re.i . `id`",
		`rsync --server --sender -re.i . /srv; id`, `rsync --server --sender -re.i . /srv | id`, "rsync --server --sender -re.i . /srv\nid", `rsync --server --sender -re.i`,
		`rsync --server -re.i --log-file=/tmp/x . /srv`, `rsync --server -re.i --backup-dir=/x . /srv`, `rsync --server -re.i --temp-dir=/x . /srv`, `rsync --server -re.i -T /x . /srv`,
		`rsync --server -re.i --link-dest=/x . /srv`, `rsync --server -re.i --copy-dest=/x . /srv`, `rsync --server -re.i --compare-dest /x . /srv`, `rsync --server -re.i --partial-dir=/x . /srv`,
		`rsync --server -re.i --suffix=/../x . /srv`, `rsync --server -re.i --filter=x . /srv`, `rsync --server -re.i --exclude-from=/etc/shadow . /srv`, `rsync --server -re.i --read-batch=x . /srv`,
		`rsync --server -re.i --write-batch=x . /srv`, `rsync --server -re.i --rsync-path=x . /srv`, `rsync --server -re.i --config=x . /srv`, `rsync --server -re.i --bwlimit=1/2 . /srv`,
		`rsync --server -re.i --bwlimit . /srv`, `rsync --server -re.i --delete=x . /srv`, `rsync --server -re/x . /srv`, `rsync --server -re.i . /srv /more`, `rsync --server --sender -re.i . \ `,
		`rsync --server -re.i --copy-unsafe-links . /srv`, `rsync --server -re.i --insecure-links . /srv`, `rsync --server -re.i --write-devices . /srv`, `rsync --server -re.i --copy-devices . /srv`,
		`rsync --server --sender -re.i --remove-source-files . /srv`, `rsync --server -re.i --super . /srv`, `rsync --server -re.i --chown=0:0 . /srv`, `rsync --server - . /srv`,
		`rsync --server ` + strings.Repeat("-v ", 300) + `. /srv`, `rsync --server --sender . ` + strings.Repeat("a", 40<<10),
	} {
		if got, why, is := files.Rsync(line); !is || why == "" {
			if len(got.Paths) != 1 || got.Paths[0] != " " { // an escaped space is a name
				t.Errorf("%.100s: %+v", line, got)
			}
		}
	}
	for _, line := range []string{"", "rsync", "rsync -a x y", "/usr/bin/rsync --server . x", "rsyncd --server . x"} {
		if _, _, is := files.Rsync(line); is {
			t.Errorf("%q is taken for rsync", line)
		}
	}
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	l := layout(t, false)
	for _, tc := range []struct{ line, path, want string }{
		{
			`rsync --server --sender -logDtpre.iLsfxCIvu . x`, "/srv/data/public",
			"files.rsync files.get-tree /srv/data/public; execute h/rsync; read h/srv/data/public; shows h/srv/data/public/body [public]",
		},
		{
			`rsync --server -rte.iLsfxCIvu . x`, "/srv/drop",
			"files.rsync files.put-tree /srv/drop; execute h/rsync; read h/srv/drop; write h/srv/drop; define h/srv/drop; shows h/srv/drop/body [phi.note]",
		},
		{
			`rsync --server -lrte.iLsfxCIvu --delete . x`, "/srv/drop",
			"files.rsync files.prune-tree /srv/drop; execute h/rsync; read h/srv/drop; write h/srv/drop; define h/srv/drop; delete h/srv/drop; administer h/srv/drop; shows h/srv/drop/body [phi.note]",
		},
		{`rsync --server --sender -re.iLsfxCIvu . x`, "/etc", "refused: the resource has no such path"},
	} {
		tr, why, is := files.Rsync(tc.line)
		if why != "" || !is {
			t.Fatal(tc.line, why)
		}
		st := l.Transfer("h", tr, [][]string{{tc.path}})
		if got := shape(st); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.line, got, tc.want)
		}
		if st.Refused == "" && !slices.Contains(st.Effects, sallyport.Execute) {
			t.Errorf("%s does not execute", tc.line)
		}
	}
}

func TestLegacy(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{"scp -t /srv": true, "scp -v -r -p -f -- /srv/x": true, "scp x y": false, "scp -h": false, "ls scp -t": false, "scp x -t": false, "": false} {
		if hint, is := files.Legacy(line); is != want || is != (hint != "") {
			t.Errorf("%q: %q, %v", line, hint, is)
		}
	}
}

// A line that passes is sent in a form that passes again with the same paths, and has
// nothing that a shell would act on.
func FuzzRsync(f *testing.F) {
	for _, l := range []string{`rsync --server --sender -re.iLsfxCIvu . /srv/a\ b`, `rsync --server -logDtpre.iLsfxCIvu --delete --bwlimit=3 . x`} {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, why, is := files.Rsync(line)
		if !is || why != "" {
			return
		}
		sent := got.Line(got.Paths)
		again, why, is := files.Rsync(sent)
		if !is || why != "" || !slices.Equal(again.Paths, got.Paths) || again.Sends != got.Sends || again.Line(again.Paths) != sent {
			t.Errorf("%q became %q", line, sent)
		}
	})
}

// A path is canonical once it was made so, and is judged whatever it is.
func FuzzCanonical(f *testing.F) {
	f.Add("/home", "../a/./b//c")
	f.Add("/", "~/x")
	l := layout(f, true)
	f.Fuzz(func(t *testing.T, home, p string) {
		h, ok := files.Canonical("/", home)
		if !ok {
			return
		}
		c, ok := files.Canonical(h, p)
		if !ok {
			return
		}
		if again, ok := files.Canonical("/x", c); !ok || again != c || strings.Contains(c+"/", "/../") || strings.Contains(c, "//") {
			t.Errorf("%q in %q became %q, then %q", p, h, c, again)
		}
		if st := l.Statement("h", files.Get, c); st.Refused != "" {
			t.Errorf("%q is refused: %s", c, st.Refused)
		}
	})
}
