// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

// rowDescription is the body for one column with the given name.
func rowDescription(name string) string {
	return "\x00\x01" + name + "\x00" + "\x00\x00\x40\x01\x00\x01\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"
}

func TestControl(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind byte
		body string
		ok   bool
	}{
		{'1', "", true},
		{'2', "", true},
		{'3', "", true},
		{'n', "", true},
		{'s', "", true},
		{'I', "", true},
		{'c', "", true},
		{'1', "x", false},
		{'n', canary, false},
		{'Z', "I", true},
		{'Z', "T", true},
		{'Z', "E", true},
		{'Z', "x", false},
		{'Z', "II", false},
		{'Z', "", false},
		{'C', "SELECT 3\x00", true},
		{'C', "INSERT 0 5\x00", true},
		{'C', "select 3\x00", false},
		{'C', "SELECT 3", false},
		{'C', "\x00", false},
		{'C', canary + "\x00", false},
		{'C', "SELECT\x003\x00", false},
		{'C', string(bytes.Repeat([]byte{'A'}, 64)) + "\x00", false},
		{'t', "\x00\x00", true},
		{'t', "\x00\x01\x00\x00\x00\x19", true},
		{'t', "\x00\x01", false},
		{'t', "", false},
		{'T', "\x00\x00", true},
		{'T', rowDescription("ssn"), true},
		{'T', rowDescription("ssn") + "x", false},
		{'T', "\x00\x01ssn\x00", false},
		{'T', "\x00\x01ssn", false},
		{'T', "\x00", false},
		{'H', "\x00\x00\x02\x00\x00\x00\x00", true},
		{'G', "\x01\x00\x01\x00\x01", true},
		{'H', "\x02\x00\x00", false},
		{'H', "\x00\x00\x02\x00\x00", false},
		{'H', "\x00\x00\x01\x00\x02", false},
		{'G', "", false},
		{'D', "\x00\x00", false},
		{'d', "x", false},
		{'E', "\x00", false},
		{'N', "\x00", false},
		{'A', "", false},
		{'S', "", false},
		{'V', "\xff\xff\xff\xff", false},
		{'W', "\x00\x00\x00", false},
		{'R', "\x00\x00\x00\x00", false},
		{'K', "12345678", false},
		{0, "", false},
	} {
		m, err := mask.Control(tc.kind, mask.FromUpstream([]byte(tc.body)))
		if !tc.ok {
			if wantIntegrity(t, err); m.Len() != 0 {
				t.Errorf("%q %q: a refused message came out", tc.kind, tc.body)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q %q: %v", tc.kind, tc.body, err)
		} else if got := bytesOf(t, m); !bytes.Equal(got, message(tc.kind, []byte(tc.body))) {
			t.Errorf("%q %q became %q", tc.kind, tc.body, got)
		}
	}
}

func TestNotification(t *testing.T) {
	t.Parallel()
	body := []byte("\x00\x00\x01\x02jobs\x00" + canary + "\x00")
	known := func(channel string) bool { return channel == "jobs" }
	m, withheld, err := mask.Notification(mask.FromUpstream(body), known)
	if err != nil || withheld != 1 || string(bytesOf(t, m)) != "A\x00\x00\x00\x0e\x00\x00\x01\x02jobs\x00\x00" {
		t.Errorf("%q, %d, %v", bytesOf(t, m), withheld, err)
	}
	for _, known := range []func(string) bool{nil, func(string) bool { return false }} {
		if m, withheld, err := mask.Notification(mask.FromUpstream(body), known); err != nil || withheld != 2 || m.Len() != 0 {
			t.Errorf("an unknown channel: %q, %d, %v", bytesOf(t, m), withheld, err)
		}
	}
	for _, bad := range []string{"", "\x00\x00\x00", "\x00\x00\x00\x01jobs", "\x00\x00\x00\x01jobs\x00x", "\x00\x00\x00\x01jobs\x00x\x00y"} {
		_, _, err := mask.Notification(mask.FromUpstream([]byte(bad)), known)
		wantIntegrity(t, err)
	}
}

func TestParameterStatus(t *testing.T) {
	t.Parallel()
	chosen := func(name, value string) bool { return name == "application_name" && value == "psql" }
	for _, tc := range []struct{ name, value, want string }{
		{"DateStyle", "ISO, MDY", "ISO, MDY"},
		{"DateStyle", canary, ""},
		{"client_encoding", "UTF8", "UTF8"},
		{"standard_conforming_strings", "on", "on"},
		{"is_superuser", "987", ""},
		{"IntervalStyle", "postgres", "postgres"},
		{"TimeZone", "UTC", "UTC"},
		{"TimeZone", "<987654320>0", ""},
		{"application_name", "psql", "psql"},
		{"application_name", canary, ""},
		{"search_path", canary, ""},
		{"session_authorization", "", ""},
	} {
		m, withheld, err := mask.ParameterStatus(mask.FromUpstream([]byte(tc.name+"\x00"+tc.value+"\x00")), chosen)
		if err != nil || withheld != (tc.want != tc.value) || !bytes.Equal(bytesOf(t, m), message('S', []byte(tc.name+"\x00"+tc.want+"\x00"))) {
			t.Errorf("%s=%s became %q, withheld %v, %v", tc.name, tc.value, bytesOf(t, m), withheld, err)
		}
	}
	if m, withheld, err := mask.ParameterStatus(mask.FromUpstream([]byte(canary+"\x00on\x00")), nil); err != nil || !withheld || m.Len() != 0 {
		t.Errorf("an unknown setting: %q, %v, %v", bytesOf(t, m), withheld, err)
	}
	if m, withheld, _ := mask.ParameterStatus(mask.FromUpstream([]byte("application_name\x00psql\x00")), nil); !withheld || bytes.Contains(bytesOf(t, m), []byte("psql")) {
		t.Error("without a memory of what was asked for, a free value passes")
	}
	for _, bad := range []string{"", "a", "a\x00b", "a\x00b\x00c", "\x00b\x00"} {
		_, _, err := mask.ParameterStatus(mask.FromUpstream([]byte(bad)), nil)
		wantIntegrity(t, err)
	}
}
