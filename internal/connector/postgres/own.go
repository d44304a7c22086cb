// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// The gateway's own statements on a session's connection. Their texts are
// fixed, so that nothing of a client's can hide in them.
const (
	// ownPrefix begins the names of the gateway's own prepared statements and
	// portals; clients may not use it.
	ownPrefix = "sallyport_"

	// refusedText takes the place of a statement that was refused. The server
	// answers with a syntax error, which aborts the transaction exactly as an
	// error of the statement itself would; the client gets the refusal instead.
	refusedName = ownPrefix + "refused"
	refusedText = "REFUSED BY SALLYPORT"

	// pathText asks for the schemas in which names are looked up now, the
	// temporary one first.
	pathName = ownPrefix + "path"
	pathText = "SELECT n FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) n"

	probeName = ownPrefix + "probe"
)

// needsPermit reports whether a message makes the target run or analyse
// something that a client sent.
func needsPermit(typ byte, body []byte) bool {
	switch typ {
	case pgwire.ClientQuery:
		text, err := pgwire.DecodeQuery(body)
		return err != nil || len(text) > 0 && string(text) != refusedText // an empty query runs nothing
	case pgwire.ClientParse:
		p, err := pgwire.DecodeParse(body)
		if err != nil {
			return true
		}
		own := string(p.Name) == refusedName && string(p.Text) == refusedText ||
			string(p.Name) == pathName && string(p.Text) == pathText
		return !own
	case pgwire.ClientBind:
		name, rest, ok := bytes.Cut(body, []byte{0}) // the portal
		statement, _, ok2 := bytes.Cut(rest, []byte{0})
		return !ok || !ok2 || string(statement) != pathName || string(name) != pathName
	case pgwire.ClientFunctionCall:
		return true
	}
	return false
}

// reserved reports whether a client uses a name of the gateway's.
func reserved(name []byte) bool { return bytes.HasPrefix(name, []byte(ownPrefix)) }
