// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

// Codes of Authentication messages (manual 55.7).
const (
	AuthOK                uint32 = 0
	AuthCleartextPassword uint32 = 3
	AuthMD5Password       uint32 = 5 // Data is the salt, 4 bytes
	AuthGSS               uint32 = 7
	AuthGSSContinue       uint32 = 8
	AuthSSPI              uint32 = 9
	AuthSASL              uint32 = 10 // see Authentication.Mechanisms
	AuthSASLContinue      uint32 = 11
	AuthSASLFinal         uint32 = 12
)

// Authentication is a step of the server's side of an authentication.
type Authentication struct {
	Code uint32
	Data []byte // what the method sends; empty for OK and CleartextPassword
}

// DecodeAuthentication decodes the body of an Authentication message.
func DecodeAuthentication(body []byte) (Authentication, error) {
	c := cursor{b: body}
	a := Authentication{Code: c.u32(), Data: c.take(len(c.b))}
	switch a.Code {
	case AuthOK, AuthCleartextPassword, AuthGSS, AuthSSPI:
		if len(a.Data) != 0 {
			c.fail("it is longer than its contents")
		}
	case AuthMD5Password:
		if len(a.Data) != 4 {
			c.fail("its salt is not of 4 bytes")
		}
	case AuthSASL:
		if err := checkMechanisms(a.Data); err != nil {
			return Authentication{}, err
		}
	}
	if err := c.end("Authentication"); err != nil {
		return Authentication{}, err
	}
	return a, nil
}

// checkMechanisms walks a list of names that an empty name ends.
func checkMechanisms(data []byte) error {
	c := cursor{b: data}
	for c.why == "" && len(c.str()) > 0 {
	}
	return c.end("AuthenticationSASL")
}

// Mechanisms returns the SASL mechanisms offered, none unless Code is
// [AuthSASL].
func (a Authentication) Mechanisms() Strings {
	if a.Code != AuthSASL || len(a.Data) == 0 {
		return Strings{}
	}
	return Strings{b: a.Data[:len(a.Data)-1]}
}

// Negotiation is what a server answers to a start-up that asks for a newer
// minor version, or for extensions that it does not know.
type Negotiation struct {
	// Version is the newest version that the server speaks, with the major
	// number: 3<<16 | minor. PostgreSQL sends it so, although the manual says
	// "minor version".
	Version uint32
	Unknown Strings // the "_pq_." names that the server does not know
}

// DecodeNegotiation decodes the body of a NegotiateProtocolVersion.
func DecodeNegotiation(body []byte) (Negotiation, error) {
	c := cursor{b: body}
	n := Negotiation{Version: c.u32()}
	count := c.u32()
	list := c.b
	for i := uint32(0); i < count && c.why == ""; i++ {
		c.str()
	}
	if err := c.end("NegotiateProtocolVersion"); err != nil {
		return Negotiation{}, err
	}
	n.Unknown = Strings{b: list}
	return n, nil
}
