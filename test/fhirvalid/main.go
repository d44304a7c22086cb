// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command fhirvalid says of each FHIR R4 resource on its standard input, one
// JSON document a line, what is wrong with it: one line each, empty when nothing
// is. The tests of internal/mask/fhir run it, so that masked resources are judged
// by another implementation of FHIR than ours.
//
// It is a module of its own because Google's implementation needs hundreds of
// modules, which stay out of the product's.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"
)

func main() {
	log.SetFlags(0)
	reader, err := jsonformat.NewUnmarshaller("UTC", fhirversion.R4)
	if err != nil {
		log.Fatal(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		reason := ""
		if _, err := reader.Unmarshal(bytes.Clone(in.Bytes())); err != nil {
			reason = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Fprintln(out, reason)
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
