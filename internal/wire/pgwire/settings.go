// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import (
	"strings"

	"github.com/sallyport-dev/sallyport"
)

// allowedSettings is the text form of checkSetting's list, for hints.
const allowedSettings = "application_name, bytea_output, client_encoding, datestyle, " +
	"default_transaction_deferrable, default_transaction_isolation, default_transaction_read_only, " +
	"extra_float_digits, idle_in_transaction_session_timeout, idle_session_timeout, intervalstyle, " +
	"lock_timeout, search_path, statement_timeout, timezone"

// checkSetting is the allow-list of what a client may set at start-up: the
// settings that change how values are written and when the server gives up,
// none that changes who the session is, what it may do or what it reports.
//
//   - client_encoding is UTF8 or nothing: the analysis reads statements as
//     UTF-8, and in another encoding the target would read another statement.
//     SQL_ASCII, which libpq sends from a C locale, means "no conversion" and
//     becomes UTF8, which leaves the bytes alike.
//   - search_path takes plain names. Those that begin with pg_ are refused:
//     naming pg_catalog or pg_temp changes their place in the search, so that a
//     function of the caller's could stand in for a built-in one.
//   - extra_float_digits takes no negative number: a value that is written with
//     fewer digits is another one to an operator that adds noise.
//   - default_transaction_read_only can be switched on, never off, since the
//     role's own default may be what keeps it from writing.
//
// It returns the value to pass on, whether the name is in the list, and whether
// the value is allowed.
func checkSetting(name, value string) (checked string, known, ok bool) {
	switch name {
	case "client_encoding":
		switch strings.ToUpper(strings.Trim(value, `'"`)) {
		case "UTF8", "UTF-8", "UNICODE", "SQL_ASCII":
			return "UTF8", true, true
		}
		return "", true, false
	case "search_path":
		return value, true, plainNames(value)
	case "default_transaction_read_only":
		switch strings.ToLower(value) {
		case "on", "true", "yes", "1":
			return "on", true, true
		}
		return "", true, false
	case "default_transaction_deferrable", "default_transaction_isolation", "bytea_output", "intervalstyle":
		return value, true, within(value, " _")
	case "datestyle":
		return value, true, within(value, " ,")
	case "timezone":
		return value, true, within(value, "/_+-:.<>,")
	case "extra_float_digits":
		return value, true, len(value) == 1 && '0' <= value[0] && value[0] <= '3'
	case "statement_timeout", "lock_timeout",
		"idle_in_transaction_session_timeout", "idle_session_timeout":
		return value, true, within(value, " -.")
	}
	return "", false, false
}

// maxSetting is the largest value of a setting in bytes.
const maxSetting = 512

// within reports whether s consists of ASCII letters, digits and the bytes of
// extra, and is neither empty nor too long.
func within(s, extra string) bool {
	if s == "" || len(s) > maxSetting {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return true
}

// plainNames reports whether s is a comma-separated list of names of ASCII
// letters, digits, "_" and "-", each bare or in double quotes, none of which
// begins with pg_. "$user" and the empty list are allowed.
func plainNames(s string) bool {
	if s == "" || s == `""` {
		return true
	}
	for name := range strings.SplitSeq(s, ",") {
		name = strings.Trim(name, " ")
		if inner, found := strings.CutPrefix(name, `"`); found {
			if name, found = strings.CutSuffix(inner, `"`); !found {
				return false
			}
		}
		if name == "$user" {
			continue
		}
		if !within(name, "_-") || strings.HasPrefix(strings.ToLower(name), "pg_") {
			return false
		}
	}
	return len(s) <= maxSetting
}

// parseOptions reads the options parameter: command-line switches for the
// backend, split at blanks, with a backslash before a blank or backslash that
// belongs to a value. Only those that set a setting are taken, in the forms
// "-c name=value", "-cname=value" and "--name=value"; set gets each.
func parseOptions(options string, set func(name, value string) error) error {
	words, ok := splitOptions(options)
	if !ok {
		return optionError()
	}
	for i := 0; i < len(words); i++ {
		word := words[i]
		assign, long := strings.CutPrefix(word, "--")
		if !long {
			var short bool
			if assign, short = strings.CutPrefix(word, "-c"); !short {
				return optionError()
			}
			if assign == "" {
				i++
				if i == len(words) {
					return optionError()
				}
				assign = words[i]
			}
		}
		name, value, found := strings.Cut(assign, "=")
		if !found || name == "" {
			return optionError()
		}
		// PostgreSQL takes "-" for "_" in both forms.
		if err := set(strings.ReplaceAll(name, "-", "_"), value); err != nil {
			return err
		}
	}
	return nil
}

func optionError() error {
	return sallyport.E(sallyport.Invalid, "postgres start-up", "the options parameter holds something other than settings").
		WithHint("write -c name=value or --name=value, separated by blanks").Because(InvalidParameterValue)
}

// splitOptions splits as the server's pg_split_opts does.
func splitOptions(s string) (words []string, ok bool) {
	var word []byte
	open := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			if open {
				words, word, open = append(words, string(word)), nil, false
			}
		case '\\':
			i++
			if i == len(s) {
				return nil, false
			}
			word, open = append(word, s[i]), true
		default:
			word, open = append(word, c), true
		}
	}
	if open {
		words = append(words, string(word))
	}
	return words, true
}
