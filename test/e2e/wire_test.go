// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// raw is a logged-in client that sends what it likes.
type raw struct {
	net.Conn
	*pgproto3.Frontend
}

func rawClient(t *testing.T, g *gatewaytest.Gateway) *raw {
	t.Helper()
	h, err := g.Connect(t).PgConn().Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	_ = h.Conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &raw{Conn: h.Conn, Frontend: h.Frontend}
}

// send sends messages; exchange also reads up to the n-th ReadyForQuery or the
// connection's end, and returns what came in short words.
func (r *raw) exchange(t *testing.T, ready int, msgs ...pgproto3.FrontendMessage) (out []string) {
	t.Helper()
	for _, m := range msgs {
		r.Send(m)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	return r.read(ready)
}

func (r *raw) read(ready int) (out []string) {
	for ready > 0 {
		m, err := r.Receive()
		if err != nil {
			return append(out, "end")
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			ready--
			out = append(out, "ready "+string(m.TxStatus))
		case *pgproto3.DataRow:
			row := ""
			for _, v := range m.Values {
				row += "|" + string(v)
			}
			out = append(out, "row "+row)
		case *pgproto3.ErrorResponse:
			out = append(out, m.Severity+" "+m.Code)
		case *pgproto3.CommandComplete:
			out = append(out, string(m.CommandTag))
		case *pgproto3.RowDescription:
			s := "fields"
			for _, f := range m.Fields {
				s += " " + string(f.Name)
			}
			out = append(out, s)
		case *pgproto3.NoticeResponse:
		default:
			out = append(out, strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."))
		}
	}
	return out
}

// TestPrepared checks that a mask belongs to what was bound, whatever happens to
// names meanwhile.
func TestPrepared(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	const masked, plain = "select id, name from patients order by id", "select id, code from wards order by id"
	parse := func(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }
	bind := func(portal, stmt string) *pgproto3.Bind {
		return &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: stmt}
	}
	execute := func(portal string, n uint32) *pgproto3.Execute { return &pgproto3.Execute{Portal: portal, MaxRows: n} }
	sync := &pgproto3.Sync{}
	for name, c := range map[string]struct {
		msgs  []pgproto3.FrontendMessage
		ready int
		want  []string
	}{
		"the name is parsed anew while a portal is open": {
			[]pgproto3.FrontendMessage{
				&pgproto3.Query{String: "begin"}, parse("s", masked), bind("p", "s"), &pgproto3.Close{ObjectType: 'S', Name: "s"}, parse("s", plain),
				bind("q", "s"), execute("p", 1), execute("q", 1), execute("p", 1), sync,
			},
			2,
			[]string{
				"BEGIN", "ready T", "ParseComplete", "BindComplete", "CloseComplete", "ParseComplete", "BindComplete", "row |1|[phi.name]", "PortalSuspended",
				"row |1|WEST-1", "PortalSuspended", "row |2|[phi.name]", "PortalSuspended", "ready T",
			},
		},
		"the unnamed statement and portal are replaced in one pipeline": {
			[]pgproto3.FrontendMessage{
				parse("", masked), bind("", ""), execute("", 1), parse("", plain), bind("", ""), execute("", 1), parse("", masked), bind("", ""), execute("", 1), sync,
			},
			1,
			[]string{
				"ParseComplete", "BindComplete", "row |1|[phi.name]", "PortalSuspended", "ParseComplete", "BindComplete", "row |1|WEST-1", "PortalSuspended",
				"ParseComplete", "BindComplete", "row |1|[phi.name]", "PortalSuspended", "ready I",
			},
		},
		"describes of other statements lie between": {
			[]pgproto3.FrontendMessage{
				parse("a", masked), parse("b", plain), bind("", "a"), &pgproto3.Describe{ObjectType: 'S', Name: "b"}, execute("", 1),
				bind("", "b"), &pgproto3.Describe{ObjectType: 'S', Name: "a"}, execute("", 1), sync,
			},
			1,
			[]string{
				"ParseComplete", "ParseComplete", "BindComplete", "ParameterDescription", "fields id code", "row |1|[phi.name]", "PortalSuspended",
				"BindComplete", "ParameterDescription", "fields id name", "row |1|WEST-1", "PortalSuspended", "ready I",
			},
		},
		"the same text under two names, one closed": {
			[]pgproto3.FrontendMessage{
				parse("a", masked), parse("b", masked), &pgproto3.Close{ObjectType: 'S', Name: "a"}, bind("", "b"), execute("", 1), bind("", "a"), execute("", 1), sync,
				bind("", "b"), execute("", 1), sync,
			},
			2,
			[]string{
				"ParseComplete", "ParseComplete", "CloseComplete", "BindComplete", "row |1|[phi.name]", "PortalSuspended", "ERROR 26000", "ready I",
				"BindComplete", "row |1|[phi.name]", "PortalSuspended", "ready I",
			},
		},
		"names that are not there": {
			[]pgproto3.FrontendMessage{bind("", "none"), execute("", 0), sync, execute("none", 0), sync, &pgproto3.Describe{ObjectType: 'P', Name: "none"}, sync},
			3,
			[]string{"ERROR 26000", "ready I", "ERROR 34000", "ready I", "ERROR 34000", "ready I"},
		},
		"names of the gateway's own": {
			[]pgproto3.FrontendMessage{parse("sallyport_path", plain), sync, bind("sallyport_path", ""), sync, &pgproto3.Close{ObjectType: 'S', Name: "sallyport_x"}, sync},
			3,
			[]string{"ERROR 42501", "ready I", "ERROR 42501", "ready I", "ERROR 42501", "ready I"},
		},
		"nothing after an error until Sync": {
			[]pgproto3.FrontendMessage{
				parse("", "select * from payroll.salaries"), bind("", ""), execute("", 0), parse("", "delete from wards"), bind("", ""), execute("", 0), sync,
				&pgproto3.Query{String: "select count(*) from wards"},
			},
			2,
			[]string{"ParseComplete", "ERROR 42501", "ready I", "fields count", "row |3", "SELECT 1", "ready I"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time the plans are known
				r := rawClient(t, g)
				if diff := cmp.Diff(c.want, r.exchange(t, c.ready, c.msgs...)); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			}
		})
	}
}

// frame makes a message with a length of one's own choice.
func frame(typ byte, length uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{typ}, length)
	return append(b, body...)
}

// TestBadInput sends what no client should. The session ends with an error of
// the protocol, or goes on as PostgreSQL would; nothing stays behind.
func TestBadInput(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	for name, c := range map[string]struct {
		bytes []byte
		want  string // of the last thing received: "FATAL 08P01", "end" or a state
	}{
		"negative length":         {frame('Q', 0xffffffff, "select 1\x00"), "FATAL"},
		"length below four":       {frame('Q', 3, ""), "FATAL"},
		"oversized":               {frame('Q', 1<<31-1, "select"), "FATAL"},
		"unknown type":            {frame('!', 4, ""), "FATAL"},
		"a server's message":      {frame('Z', 5, "I"), "FATAL"},
		"COPY data outside COPY":  {append(frame('d', 7, "abc"), frame('S', 4, "")...), "ready I"}, // PostgreSQL ignores it as well
		"query without its end":   {frame('Q', 12, "select 1"), "FATAL"},
		"parse of garbage":        {frame('P', 8, "\xff\xff\xff\xff"), "FATAL"},
		"bind of garbage":         {frame('B', 10, "\x00\x00\x7f\xff\x00\x00"), "FATAL"},
		"password after login":    {frame('p', 9, "pass\x00"), "FATAL"},
		"function call":           {frame('F', 14, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"), "ready"},
		"terminate in a pipeline": {append(frame('P', 8, "\x00;\x00\x00"[:4]), frame('X', 4, "")...), "end"},
		"NUL in a query":          {frame('Q', 14, "sel\x00ect 1\x00"), "FATAL"},
		"text that is not UTF-8":  {frame('Q', 16, "select '\xc3\x28'\x00"), "ready"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rawClient(t, g)
			if _, err := r.Write(c.bytes); err != nil {
				t.Fatal(err)
			}
			got := r.read(1)
			last := got[len(got)-1]
			if last == "end" && len(got) > 1 && c.want == "FATAL" {
				last = got[len(got)-2]
			}
			if !strings.HasPrefix(last, c.want) {
				t.Errorf("got %q, want %s last", got, c.want)
			}
		})
	}
	t.Run("half a message, then gone", func(t *testing.T) {
		r := rawClient(t, g)
		_, _ = r.Write(frame('Q', 100, "select 1 from "))
		_ = r.Close()
	})
	t.Run("gone in the middle of rows", func(t *testing.T) {
		r := rawClient(t, g)
		r.Send(&pgproto3.Query{String: "select repeat(code, 1000) from wards, generate_series(1, 100000)"})
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r.Conn, 100_000); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	})
	t.Run("the target's process is killed in the middle of rows", func(t *testing.T) {
		r := rawClient(t, g)
		r.Send(&pgproto3.Query{String: "select repeat(code, 1000) from wards, generate_series(1, 1000000)"})
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r.Conn, 100_000); err != nil {
			t.Fatal(err)
		}
		g.Server.Exec(t, "clinic", "select pg_terminate_backend(pid) from pg_stat_activity where query like '%generate_series(1, 1000000)%' and pid <> pg_backend_pid()")
		b, _ := io.ReadAll(r.Conn)
		if !strings.Contains(string(b), "FATAL") {
			t.Errorf("%d bytes came, and no FATAL among the last: %q", len(b), b[max(0, len(b)-200):])
		}
	})
	noUpstream(t, g, 0)
	if v, err := values(g.Connect(t), bound(t), "select 1"); err != nil || len(v) != 1 {
		t.Errorf("afterwards the gateway gives %v, %v", v, err)
	}
}

// TestPolicyReload changes the policies below a live session.
func TestPolicyReload(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	conn := g.Connect(t)
	file := filepath.Join(g.Dir, "policy.cedar")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	name := func() string {
		v, err := values(conn, bound(t), "select name from patients where id = 1")
		return fmt.Sprint(v, code(err))
	}
	const masked, open, denied = `[[]interface {}{"[phi.name]"}]`, `[[]interface {}{"Adela Quillfeather"}]`, "[]42501"
	if got := name(); got != masked {
		t.Fatalf("at first: %s", got)
	}
	write(openPolicy() + "permit(principal, action == Action::\"readRaw\", resource in Label::\"phi\")\n") // no semicolon
	eventually(t, "the refusal of the broken set", func() bool { return strings.Contains(g.Log.String(), "the policies were refused") })
	if got := name(); got != masked {
		t.Errorf("under a broken set: %s", got)
	}
	for _, step := range []struct{ more, want string }{
		{`permit(principal, action == Action::"readRaw", resource in Label::"phi");`, open},
		{`forbid(principal, action == Action::"read", resource == Table::"clinic/public/patients");`, denied},
		{"", masked},
	} {
		write(openPolicy() + step.more + "\n")
		eventually(t, "the effect of "+step.more, func() bool { return name() == step.want })
	}
	// With the files gone the last set stays.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != masked {
		t.Errorf("without the file: %s", got)
	}
}
