// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport"
)

// Versions of the protocol, as major<<16 | minor.
const (
	Version30 uint32 = 3 << 16
	Version32 uint32 = 3<<16 | 2
)

// Codes that stand in the place of a version (manual 55.7).
const (
	codeCancel uint32 = 1234<<16 | 5678
	codeSSL    uint32 = 1234<<16 | 5679
	codeGSSENC uint32 = 1234<<16 | 5680
)

// Limits on start-up packets.
const (
	// StartupHeaderLen is the length of a start-up packet's length and code.
	StartupHeaderLen = 8
	// MaxStartup is the largest start-up packet in bytes
	// (MAX_STARTUP_PACKET_LENGTH of PostgreSQL).
	MaxStartup = 10_000
	// MaxStartupParams is the largest number of parameters in one.
	MaxStartupParams = 64
	maxName          = 256 // bytes of a user or database
)

// StartupKind tells the packets apart that can open a connection.
type StartupKind uint8

// The kinds of start-up packet.
const (
	StartupMessage StartupKind = iota + 1
	StartupSSLRequest
	StartupGSSENCRequest
	StartupCancelRequest
)

// Startup is a decoded start-up packet. It holds copies, no views, apart from
// Cancel.
type Startup struct {
	Kind StartupKind
	// Cancel is set when Kind is StartupCancelRequest; Secret is a view.
	Cancel CancelKey

	// The rest is set when Kind is StartupMessage.

	// Asked is the version that the client asked for, Version the one to speak:
	// 3.2 or 3.0. There is no 3.1 (manual 55.1), so that a client that asks for
	// it gets 3.0.
	Asked, Version uint32
	// Extensions are the "_pq_." names asked for. The gateway knows none.
	Extensions []string
	User       string
	Database   string // empty when the client left it out, which means "as User"
	// Application is application_name, limited to 63 printable ASCII bytes.
	Application string
	// Settings are the other settings asked for, by parameter or in options:
	// names in lower case and allow-listed, values checked; never nil.
	Settings map[string]string
}

// Negotiate reports whether the server has to answer NegotiateProtocolVersion
// before it goes on, because it cannot give what was asked.
func (s Startup) Negotiate() bool { return s.Asked != s.Version || len(s.Extensions) > 0 }

// NextStartup reads the length at the start of buf. It is to start-up packets,
// which have no type, what [Next] is to messages.
func NextStartup(buf []byte) (total int, ok bool, err error) {
	if len(buf) < 4 {
		return 0, false, nil
	}
	n := binary.BigEndian.Uint32(buf)
	if n < StartupHeaderLen || n > MaxStartup {
		return 0, false, malformed("start-up packet", "its length is outside the limits")
	}
	return int(n), true, nil
}

// DecodeStartup decodes a whole start-up packet, its length included. It
// treats every parameter as hostile: what it does not know it refuses.
func DecodeStartup(packet []byte) (Startup, error) {
	total, ok, err := NextStartup(packet)
	if err != nil {
		return Startup{}, err
	}
	if !ok || total != len(packet) {
		return Startup{}, malformed("start-up packet", "its length is not that of its contents")
	}
	code, body := binary.BigEndian.Uint32(packet[4:]), packet[StartupHeaderLen:]
	switch code {
	case codeCancel:
		key, err := decodeCancelKey(body, "CancelRequest")
		if err != nil {
			return Startup{}, err
		}
		return Startup{Kind: StartupCancelRequest, Cancel: key}, nil
	case codeSSL, codeGSSENC:
		if len(body) != 0 {
			return Startup{}, malformed("start-up packet", "a request for encryption has a body")
		}
		if code == codeSSL {
			return Startup{Kind: StartupSSLRequest}, nil
		}
		return Startup{Kind: StartupGSSENCRequest}, nil
	}
	if code>>16 != 3 {
		return Startup{}, sallyport.E(sallyport.Invalid, "postgres start-up", "the gateway speaks version 3 of the protocol only").
			WithHint("use a driver for PostgreSQL 7.4 or later").Because(FeatureNotSupported)
	}
	s := Startup{Kind: StartupMessage, Asked: code, Version: Version30, Settings: map[string]string{}}
	if code >= Version32 {
		s.Version = Version32
	}
	if err := s.params(body); err != nil {
		return Startup{}, err
	}
	return s, nil
}

// params reads the list of names and values that an empty name ends.
func (s *Startup) params(body []byte) error {
	const message = "start-up packet"
	c := cursor{b: body}
	seen := map[string]bool{}
	var options string
	for {
		raw := c.str()
		if c.why != "" || len(raw) == 0 {
			break
		}
		value := c.str()
		if c.why != "" {
			break
		}
		if !utf8.Valid(raw) || !utf8.Valid(value) {
			return malformed(message, "a parameter is not UTF-8")
		}
		name := strings.ToLower(string(raw))
		if seen[name] {
			return malformed(message, "a parameter stands in it twice")
		}
		if len(seen) == MaxStartupParams {
			return malformed(message, "it has too many parameters")
		}
		seen[name] = true
		if name == "options" {
			options = string(value)
			continue
		}
		if err := s.param(name, string(raw), string(value)); err != nil {
			return err
		}
	}
	if err := c.end(message); err != nil {
		return err
	}
	if s.User == "" {
		return sallyport.E(sallyport.Invalid, "postgres start-up", "no user name was given").
			WithHint("set user (PGUSER) to the name that the gateway's operator assigned").Because(InvalidAuthorization)
	}
	return parseOptions(options, s.set)
}

func (s *Startup) param(name, raw, value string) error {
	switch {
	case name == "user":
		return setName(&s.User, "user", value)
	case name == "database":
		return setName(&s.Database, "database", value)
	case name == "replication":
		return sallyport.E(sallyport.Denied, "postgres start-up", "replication connections do not pass through the gateway").
			WithHint("connect without the replication parameter").Because(FeatureNotSupported)
	case strings.HasPrefix(name, "_pq_."):
		// The name goes back to the client as it came.
		s.Extensions = append(s.Extensions, raw)
		return nil
	}
	return s.set(name, value)
}

// set takes one setting after it was checked against the allow-list. The same
// setting may come as a parameter and in options when both agree.
func (s *Startup) set(name, value string) error {
	name = strings.ToLower(name)
	if name == "application_name" {
		s.Application = printable(value, 63)
		return nil
	}
	checked, known, ok := checkSetting(name, value)
	if !known {
		return sallyport.E(sallyport.Denied, "postgres start-up", "the connection asks for a setting that the gateway does not pass on").
			WithHint("remove it from the connection's parameters and from PGOPTIONS; allowed are " + allowedSettings).
			Because(InsufficientPrivilege)
	}
	if !ok {
		return sallyport.E(sallyport.Invalid, "postgres start-up", "the value of the setting "+name+" is not one that the gateway passes on").
			WithHint("see the manual of the gateway for the values of " + name).Because(InvalidParameterValue)
	}
	if old, twice := s.Settings[name]; twice && old != checked {
		return sallyport.E(sallyport.Invalid, "postgres start-up", "the setting "+name+" is asked for with two values").
			WithHint("give it once, as a parameter or in PGOPTIONS").Because(InvalidParameterValue)
	}
	s.Settings[name] = checked
	return nil
}

// setName takes a user or database name. PostgreSQL cuts both at 63 bytes; here
// they name a principal and a resource, which may be longer.
func setName(dst *string, what, value string) error {
	if len(value) > maxName || strings.IndexFunc(value, control) >= 0 {
		return sallyport.E(sallyport.Invalid, "postgres start-up", "the "+what+" name is too long or holds control characters").
			WithHint("names have at most 256 bytes").Because(InvalidAuthorization)
	}
	*dst = value
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) }

// printable replaces what is not printable ASCII, as PostgreSQL does with
// application_name, and cuts at max bytes.
func printable(s string, max int) string {
	b := []byte(s)
	if len(b) > max {
		b = b[:max]
	}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
