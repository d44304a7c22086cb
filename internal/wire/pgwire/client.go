// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

// DecodeQuery returns the text of a Query: one or more statements of SQL.
func DecodeQuery(body []byte) (text []byte, err error) {
	c := cursor{b: body}
	text = c.str()
	if err := c.end("Query"); err != nil {
		return nil, err
	}
	return text, nil
}

// Parse is a request to make a prepared statement.
type Parse struct {
	Name      []byte // empty: the unnamed statement
	Text      []byte // one statement of SQL, or empty
	ParamOIDs OIDs   // declared types, 0 = not declared; may be shorter than the statement's parameters
}

// DecodeParse decodes the body of a Parse.
func DecodeParse(body []byte) (Parse, error) {
	c := cursor{b: body}
	p := Parse{Name: c.str(), Text: c.str()}
	p.ParamOIDs = OIDs{b: c.take(4 * int(c.u16()))}
	if err := c.end("Parse"); err != nil {
		return Parse{}, err
	}
	return p, nil
}

// Bind is a request to make a portal from a prepared statement.
type Bind struct {
	Portal        []byte // empty: the unnamed portal
	Statement     []byte // empty: the unnamed statement
	ParamFormats  Formats
	Params        Values
	ResultFormats Formats
}

// DecodeBind decodes the body of a Bind. It refuses parameter formats whose
// number is neither 0, 1 nor that of the parameters; whether the result formats
// fit is known only with the statement's columns.
func DecodeBind(body []byte) (Bind, error) {
	c := cursor{b: body}
	b := Bind{Portal: c.str(), Statement: c.str()}
	b.ParamFormats = c.formats()
	b.Params = c.values()
	b.ResultFormats = c.formats()
	if c.why == "" && !b.ParamFormats.fits(b.Params.Len()) {
		c.fail("it has neither none, one nor as many parameter formats as parameters")
	}
	if err := c.end("Bind"); err != nil {
		return Bind{}, err
	}
	return b, nil
}

// What a Describe or Close is about.
const (
	TargetStatement byte = 'S'
	TargetPortal    byte = 'P'
)

// Target names the prepared statement or portal of a Describe or Close.
type Target struct {
	Kind byte // TargetStatement or TargetPortal
	Name []byte
}

// DecodeDescribe decodes the body of a Describe.
func DecodeDescribe(body []byte) (Target, error) { return decodeTarget(body, "Describe") }

// DecodeClose decodes the body of a Close.
func DecodeClose(body []byte) (Target, error) { return decodeTarget(body, "Close") }

func decodeTarget(body []byte, message string) (Target, error) {
	c := cursor{b: body}
	t := Target{Kind: c.u8(), Name: c.str()}
	if c.why == "" && t.Kind != TargetStatement && t.Kind != TargetPortal {
		c.fail("it names neither a statement nor a portal")
	}
	if err := c.end(message); err != nil {
		return Target{}, err
	}
	return t, nil
}

// Execute is a request to run a portal.
type Execute struct {
	Portal  []byte // empty: the unnamed portal
	MaxRows int32  // 0 or below: all rows
}

// DecodeExecute decodes the body of an Execute.
func DecodeExecute(body []byte) (Execute, error) {
	c := cursor{b: body}
	e := Execute{Portal: c.str(), MaxRows: int32(c.u32())}
	if err := c.end("Execute"); err != nil {
		return Execute{}, err
	}
	return e, nil
}

// DecodeCopyFail returns the reason that the client gives for its failure. The
// target repeats it in its error, so it is data and must not be logged.
func DecodeCopyFail(body []byte) (reason []byte, err error) {
	c := cursor{b: body}
	reason = c.str()
	if err := c.end("CopyFail"); err != nil {
		return nil, err
	}
	return reason, nil
}

// FunctionCall is a call of a function by its OID, without SQL.
type FunctionCall struct {
	OID          uint32
	ArgFormats   Formats
	Args         Values
	ResultFormat int16
}

// DecodeFunctionCall decodes the body of a FunctionCall.
func DecodeFunctionCall(body []byte) (FunctionCall, error) {
	c := cursor{b: body}
	f := FunctionCall{OID: c.u32()}
	f.ArgFormats = c.formats()
	f.Args = c.values()
	f.ResultFormat = int16(c.u16())
	if c.why == "" && !f.ArgFormats.fits(f.Args.Len()) {
		c.fail("it has neither none, one nor as many argument formats as arguments")
	}
	if c.why == "" && f.ResultFormat != FormatText && f.ResultFormat != FormatBinary {
		c.fail("a format code is unknown")
	}
	if err := c.end("FunctionCall"); err != nil {
		return FunctionCall{}, err
	}
	return f, nil
}

// DecodePassword returns the password of a PasswordMessage. It is a secret: the
// caller clears body when it has used it.
func DecodePassword(body []byte) (password []byte, err error) {
	c := cursor{b: body}
	password = c.str()
	if err := c.end("PasswordMessage"); err != nil {
		return nil, err
	}
	return password, nil
}

// SASLInitialResponse opens a SASL exchange.
type SASLInitialResponse struct {
	Mechanism []byte
	Data      []byte // nil when the client sent no initial response
}

// DecodeSASLInitialResponse decodes the body of a SASLInitialResponse. The body
// of the SASLResponse messages that follow it is the mechanism's data itself.
func DecodeSASLInitialResponse(body []byte) (SASLInitialResponse, error) {
	c := cursor{b: body}
	r := SASLInitialResponse{Mechanism: c.str(), Data: c.value()}
	if err := c.end("SASLInitialResponse"); err != nil {
		return SASLInitialResponse{}, err
	}
	return r, nil
}
