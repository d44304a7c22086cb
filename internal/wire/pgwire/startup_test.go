// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

func TestStartupAccepts(t *testing.T) {
	t.Parallel()
	none := map[string]string{}
	tests := []struct {
		name   string
		packet []byte
		want   pgwire.Startup
	}{
		{
			"psql", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "database", "clinic", "application_name", "psql", "client_encoding", "UTF8"),
			pgwire.Startup{Version: pgwire.Version30, Asked: pgwire.Version30, User: "etl", Database: "clinic", Application: "psql", Settings: map[string]string{"client_encoding": "UTF8"}},
		},
		{
			"pgjdbc", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "database", "clinic", "client_encoding", "UTF8", "DateStyle", "ISO", "TimeZone", "Europe/Berlin", "extra_float_digits", "2"),
			pgwire.Startup{Version: pgwire.Version30, Asked: pgwire.Version30, User: "etl", Database: "clinic", Settings: map[string]string{"client_encoding": "UTF8", "datestyle": "ISO", "timezone": "Europe/Berlin", "extra_float_digits": "2"}},
		},
		{
			"C locale", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "client_encoding", "SQL_ASCII"),
			pgwire.Startup{Version: pgwire.Version30, Asked: pgwire.Version30, User: "etl", Settings: map[string]string{"client_encoding": "UTF8"}},
		},
		{
			"libpq 18", pgwire.AppendStartup(nil, pgwire.Version32, "user", "etl"),
			pgwire.Startup{Version: pgwire.Version32, Asked: pgwire.Version32, User: "etl", Settings: none},
		},
		{
			"version 3.1", pgwire.AppendStartup(nil, 3<<16|1, "user", "etl"),
			pgwire.Startup{Version: pgwire.Version30, Asked: 3<<16 | 1, User: "etl", Settings: none},
		},
		{
			"grease", pgwire.AppendStartup(nil, 3<<16|9999, "user", "etl", "_pq_.test_protocol_negotiation", ""),
			pgwire.Startup{Version: pgwire.Version32, Asked: 3<<16 | 9999, User: "etl", Extensions: []string{"_pq_.test_protocol_negotiation"}, Settings: none},
		},
		{
			"options", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "options", `-c statement_timeout=5s --lock-timeout=100 -csearch_path=app,\ public`),
			pgwire.Startup{Version: pgwire.Version30, Asked: pgwire.Version30, User: "etl", Settings: map[string]string{"statement_timeout": "5s", "lock_timeout": "100", "search_path": "app, public"}},
		},
		{
			"options agree with a parameter", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "client_encoding", "utf8", "options", "-c client_encoding=UTF-8"),
			pgwire.Startup{Version: pgwire.Version30, Asked: pgwire.Version30, User: "etl", Settings: map[string]string{"client_encoding": "UTF8"}},
		},
		{
			"application name of odd bytes", pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "application_name", "a\x1b[31m\u00e9"+strings.Repeat("x", 100)),
			pgwire.Startup{Version: pgwire.Version30, Asked: pgwire.Version30, User: "etl", Application: "a?[31m??" + strings.Repeat("x", 55), Settings: none},
		},
		{"SSLRequest", pgwire.AppendSSLRequest(nil), pgwire.Startup{Kind: pgwire.StartupSSLRequest}},
		{"GSSENCRequest", pgwire.AppendGSSENCRequest(nil), pgwire.Startup{Kind: pgwire.StartupGSSENCRequest}},
		{
			"CancelRequest", pgwire.AppendCancelRequest(nil, pgwire.CancelKey{PID: 9, Secret: []byte("abcd")}),
			pgwire.Startup{Kind: pgwire.StartupCancelRequest, Cancel: pgwire.CancelKey{PID: 9, Secret: []byte("abcd")}},
		},
		{
			"CancelRequest of 3.2", pgwire.AppendCancelRequest(nil, pgwire.CancelKey{PID: 9, Secret: make([]byte, 256)}),
			pgwire.Startup{Kind: pgwire.StartupCancelRequest, Cancel: pgwire.CancelKey{PID: 9, Secret: make([]byte, 256)}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.want.Kind == 0 {
				tt.want.Kind = pgwire.StartupMessage
			}
			got, err := pgwire.DecodeStartup(tt.packet)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if negotiate := tt.name == "grease" || tt.name == "version 3.1"; got.Negotiate() != negotiate {
				t.Errorf("Negotiate is %v", got.Negotiate())
			}
		})
	}
}

func TestStartupRefuses(t *testing.T) {
	t.Parallel()
	with := func(params ...string) []byte {
		return pgwire.AppendStartup(nil, pgwire.Version30, append([]string{"user", "etl"}, params...)...)
	}
	options := func(s string) []byte { return with("options", s) }
	raw := func(body string) []byte {
		b := []byte{0, 0, 0, byte(8 + len(body)), 0, 3, 0, 0}
		return append(b, body...)
	}
	many := []string{}
	for i := range 70 {
		many = append(many, fmt.Sprintf("_pq_.x%d", i), "")
	}
	tests := []struct {
		name   string
		packet []byte
		state  pgwire.State
	}{
		{"replication=true", with("replication", "true"), "0A000"},
		{"replication=database", with("replication", "database"), "0A000"},
		{"replication=false", with("replication", "false"), "0A000"},
		{"REPLICATION", with("REPLICATION", "true"), "0A000"},
		{"no user", pgwire.AppendStartup(nil, pgwire.Version30, "database", "clinic"), "28000"},
		{"empty user", pgwire.AppendStartup(nil, pgwire.Version30, "user", ""), "28000"},
		{"user with a newline", pgwire.AppendStartup(nil, pgwire.Version30, "user", "a\nb"), "28000"},
		{"user with a C1 control", pgwire.AppendStartup(nil, pgwire.Version30, "user", "a\u009bb"), "28000"},
		{"user of 257 bytes", pgwire.AppendStartup(nil, pgwire.Version30, "user", strings.Repeat("a", 257)), "28000"},
		{"user in Latin-1", pgwire.AppendStartup(nil, pgwire.Version30, "user", "\xe9"), "08P01"},
		{"database with an escape", with("database", "\x1b[2J"), "28000"},
		{"user twice", with("user", "admin"), "08P01"},
		{"user twice in other case", with("USER", "admin"), "08P01"},
		{"database twice", with("database", "a", "database", "b"), "08P01"},
		{"setting twice in other case", with("timezone", "UTC", "TimeZone", "UTC"), "08P01"},
		{"setting twice with two values", with("timezone", "UTC", "options", "-c timezone=CET"), "22023"},
		{"too many parameters", with(many...), "08P01"},
		{"role", with("role", "postgres"), "42501"},
		{"session_authorization", with("session_authorization", "postgres"), "42501"},
		{"session_preload_libraries", with("session_preload_libraries", "evil"), "42501"},
		{"log_min_messages", with("log_min_messages", "debug5"), "42501"},
		{"client_min_messages", with("client_min_messages", "error"), "42501"},
		{"debug_print_rewritten", with("debug_print_rewritten", "off"), "42501"},
		{"standard_conforming_strings", with("standard_conforming_strings", "off"), "42501"},
		{"extension's setting", with("app.tenant", "x"), "42501"},
		{"encoding GBK", with("client_encoding", "GBK"), "22023"},
		{"encoding SJIS", options("-c client_encoding=SJIS"), "22023"},
		{"read only switched off", with("default_transaction_read_only", "off"), "22023"},
		{"search path with pg_catalog", with("search_path", "evil,pg_catalog"), "22023"},
		{"search path with quoted pg_catalog", with("search_path", `evil, "pg_catalog"`), "22023"},
		{"search path with pg_temp", with("search_path", "PG_TEMP"), "22023"},
		{"search path with an open quote", with("search_path", `"a`), "22023"},
		{"search path with a statement", with("search_path", `a; drop table x`), "22023"},
		{"timeout with a quote", with("statement_timeout", `1' or '1`), "22023"},
		{"options: role", options("-c role=postgres"), "42501"},
		{"options: --role", options("--role=postgres"), "42501"},
		{"options: -crole", options("-crole=postgres"), "42501"},
		{"options: escaped blank hides a switch", options(`-c timezone=UTC\ -c\ role=x`), "22023"},
		{"options: -c at the end", options("-c"), "22023"},
		{"options: no value", options("-c timezone"), "22023"},
		{"options: no name", options("-c =x"), "22023"},
		{"options: other switch", options("-d 5"), "22023"},
		{"options: -W", options("-W 99"), "22023"},
		{"options: bare word", options("postgres"), "22023"},
		{"options: only dashes", options("--"), "22023"},
		{"options: a last word with a backslash at its end", options(`--timezone=UTC --lock-timeout=1\`), "22023"},
		{"options: backslash at the end", options(`-c timezone=UTC\`), "22023"},
		{"version 2.0", pgwire.AppendStartup(nil, 2<<16, "user", "etl"), "0A000"},
		{"version 4.0", pgwire.AppendStartup(nil, 4<<16, "user", "etl"), "0A000"},
		{"unknown request code", pgwire.AppendStartup(nil, 1234<<16|5681), "0A000"},
		{"cancel with a key of 3 bytes", pgwire.AppendCancelRequest(nil, pgwire.CancelKey{Secret: make([]byte, 3)}), "08P01"},
		{"cancel with a key of 257 bytes", pgwire.AppendCancelRequest(nil, pgwire.CancelKey{Secret: make([]byte, 257)}), "08P01"},
		{"SSLRequest with a body", []byte{0, 0, 0, 9, 0x04, 0xd2, 0x16, 0x2f, 0}, "08P01"},
		{"no terminator", raw("user\x00etl\x00"), "08P01"},
		{"value missing", raw("user\x00etl\x00database\x00"), "08P01"},
		{"parameters behind the terminator", raw("user\x00etl\x00\x00role\x00postgres\x00\x00"), "08P01"},
		{"one zero byte too many", raw("user\x00etl\x00\x00\x00"), "08P01"},
		{"nothing", raw(""), "08P01"},
		{"length below 8", []byte{0, 0, 0, 7, 0, 3, 0}, "08P01"},
		{"length above the limit", append([]byte{0, 0, 0x27, 0x11}, make([]byte, 9997)...), "08P01"},
		{"length that lies", []byte{0, 0, 0, 20, 0, 3, 0, 0, 0}, "08P01"},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), "08P01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := pgwire.DecodeStartup(tt.packet)
			if err == nil {
				t.Fatalf("taken as %+v", s)
			}
			if got := pgwire.StateOf(err); got != tt.state {
				t.Errorf("SQLSTATE %s, want %s (%v)", got, tt.state, err)
			}
			if s.User != "" || s.Kind != 0 {
				t.Errorf("a value beside an error: %+v", s)
			}
		})
	}
}

func TestSearchPath(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", `""`, "app", "app, public", `"$user", public`, `"Mixed-Case"`} {
		s, err := pgwire.DecodeStartup(pgwire.AppendStartup(nil, pgwire.Version30, "user", "etl", "search_path", value))
		if err != nil {
			t.Errorf("%q: %v", value, err)
		} else if s.Settings["search_path"] != value {
			t.Errorf("%q became %q", value, s.Settings["search_path"])
		}
	}
}
