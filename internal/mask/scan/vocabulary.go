// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/binary"
	"strings"
)

// trait is one of the things that a word can be, beside a clue and a street.
type trait uint8

const (
	traitLeads    trait = 1 << iota // can stand before a year
	traitUnit                       // numbers count it
	traitParticle                   // can be part of a street's name in lower case
	traitOpening                    // precedes the name of a street in lower case too, and is no other word in English
	traitBeside                     // can stand before the numbers of ages, addresses and days
	traitWhere                      // says where somebody lives or something goes
)

// term is a word of the vocabulary, its letters in lower case, and what it says.
type term struct {
	lo, hi uint64
	clue   clue
	way    wayKind
	traits trait
}

// is reports whether the word has one of the traits.
func (t *term) is(x trait) bool { return t.traits&x != 0 }

const (
	// maxTerm is the length of the longest word of the vocabulary.
	maxTerm  = 16
	termBits = 12
	maxTerms = 1 << (termBits - 2)
)

// vocabulary finds the words in ASCII that the detectors know by a hash of their
// letters, in one look as a rule. The first term stands for all other words.
type vocabulary struct {
	slots          [1 << termBits]uint16
	terms          [maxTerms]term
	beside, behind lengths // of words with traitBeside; of months and what begins a street's name in lower case
}

// lengths says by their first letter how long some words are: most others are told
// from them without a look at their letters.
type lengths [32]uint32

func (l *lengths) add(w string) { l[w[0]&31] |= 1 << len(w) }

// has reports whether one of the words begins with c and has n letters.
func (l *lengths) has(c byte, n int) bool { return l[c&31]>>(uint(n)&31)&1 != 0 }

var terms = buildVocabulary()

func buildVocabulary() (v vocabulary) {
	n := uint16(1)
	for _, l := range termLists {
		for _, w := range strings.Fields(l.words) {
			lo, hi := termKey([]byte(w), 0, len(w))
			slot, t := v.find(lo, hi)
			if v.slots[slot] == 0 {
				v.slots[slot], t = n, &v.terms[n]
				t.lo, t.hi = lo, hi
				n++
			}
			if l.traits&traitBeside != 0 {
				v.beside.add(w)
			}
			if l.traits&(traitParticle|traitOpening) != 0 {
				v.behind.add(w)
			}
			t.clue, t.way, t.traits = max(t.clue, l.clue), max(t.way, l.way), t.traits|l.traits
		}
	}
	for _, w := range strings.Fields("january february march april may june july august september sept october november december") {
		v.behind.add(w)
		v.behind.add(w[:3])
	}
	return v
}

// find returns where a word is, or where it would be, and what is known of it.
func (v *vocabulary) find(lo, hi uint64) (slot uint64, t *term) {
	const multiplier = 0x9e3779b97f4a7c15
	for i := ((lo ^ hi*(multiplier>>1)) * multiplier) >> (64 - termBits); ; i = (i + 1) % (1 << termBits) {
		n := v.slots[i]
		if t := &v.terms[n%maxTerms]; n == 0 || t.lo == lo && t.hi == hi {
			return i, t
		}
	}
}

// termOf returns what the vocabulary says of the word text[from:to], in any case.
func termOf(text []byte, from, to int) *term {
	lo, hi := termKey(text, from, to)
	_, t := terms.find(lo, hi)
	return t
}

// termKey packs a word of ASCII letters into two numbers: 0 when it is too long.
func termKey(text []byte, from, to int) (lo, hi uint64) {
	const lower = 0x20 * ones
	n := to - from
	switch {
	case n <= 0 || n > maxTerm:
		return 0, 0
	case n > 8:
		lo = binary.LittleEndian.Uint64(text[from:]) | lower
		return lo, (binary.LittleEndian.Uint64(text[to-8:]) | lower) >> (8 * uint(maxTerm-n) & 63)
	case 0 <= from && from <= len(text)-8:
		lo = (binary.LittleEndian.Uint64(text[from:]) | lower) << (8 * uint(8-n) & 63)
	case to >= 8:
		lo = (binary.LittleEndian.Uint64(text[to-8:]) | lower) >> (8 * uint(8-n) & 63) << (8 * uint(8-n) & 63)
	default:
		for _, c := range text[from:to] {
			lo = lo>>8 | uint64(c|0x20)<<56
		}
	}
	return lo >> (8 * uint(8-n) & 63), 0
}

// termLists gives the words by what they say. A word can be in several of them.
var termLists = []struct {
	clue   clue
	way    wayKind
	traits trait
	words  string
}{
	{clue: clueFiller, words: "is was no nr num id ids s my the his her its it of to at on are this as new following a an and or be with " +
		"digits ending code codes by under for us value"},
	{clue: clueNumber, words: "number numbers nbr"},
	{clue: cluePhone, words: "phone phones tel tele telephone telefon mobile mob cell cellphone cellular ph pager beeper landline hotline " +
		"helpline call calls calling called dial dialed ring reach reached reachable contact contacted whatsapp sms " +
		"text texted answering answer messages message voicemail desk office callback handphone phonenumber ext " +
		"extension direct registered viber signal handy telefono phoned rang"},
	{clue: clueFax, words: "fax faxed facsimile telefax faxnumber"},
	{clue: clueSSN, words: "ssn ssns social socialsecurity itin tin sin"},
	{clue: clueMRN, words: "mrn mrns chart record records emr ehr mpi empi medrec hospitalnumber"},
	{clue: cluePlan, words: "member memberid subscriber subscriberid policy policyholder beneficiary medicare medicaid hicn mbi hic group " +
		"insurance enrollee insured hmo payer"},
	{clue: clueAccount, words: "account accounts acct accountnumber acc guarantor bank checking savings"},
	{clue: clueRouting, words: "routing aba rtn"},
	{clue: clueCard, words: "card cards cc credit debit visa mastercard amex discover creditcard maestro pan"},
	{clue: clueIBAN, words: "iban"},
	{clue: clueNPI, words: "npi"},
	{clue: clueDEA, words: "dea"},
	{clue: clueLicense, words: "license licence licenses driver drivers dl certificate cert lic"},
	{clue: cluePassport, words: "passport passports"},
	{clue: clueVIN, words: "vin chassis"},
	{clue: cluePlate, words: "plate plates tag registration"},
	{clue: clueDevice, words: "serial serialnumber lot device implant implanted pacemaker udi sn pump stent"},
	{clue: clueIMEI, words: "imei meid imsi iccid"},
	{clue: clueUnique, words: "claim claims encounter accession specimen employee student badge prescription visit admission fin csn"},
	{clue: cluePerson, words: "patient patients pt person subject patientid client"},
	{clue: clueZIP, words: "zip zipcode zips postal postcode postalcode plz eircode pincode cep"},
	{clue: clueDate, words: "dob born birth birthdate birthday date dated dates since died death admitted discharged seen dos expires " +
		"expiry exp scheduled until till before after due admit discharge"},
	{clue: clueOther, words: "icd order orders ndc loinc cpt hcpcs snomed sct rxnorm rxcui isbn issn tracking version ver release build room " +
		"rm bed page pages pp ref reference po model ticket invoice sku upc ean gtin catalog part item protocol section " +
		"chapter volume vol issue barcode fedex usps ups dhl shipment job batch grant nct pmid doi oid hash digest " +
		"checksum firmware revision rev ward unit floor bay commit concept hgnc cas drg"},
	{way: wayEnd, words: "street str st road rd avenue ave av lane ln drive dr drv court ct boulevard blvd way place pl square sq " +
		"terrace ter parkway pkwy highway hwy circle cir trail trl close crescent cres grove gardens row walk mews quay " +
		"alley plaza loop pike turnpike expressway freeway path pass ridge bend hollow heights crossing esplanade " +
		"promenade parade wharf gate hill green landing glen mount view villas causeway bypass ring straat laan weg " +
		"gracht plein singel kade dijk vej gade alle gata gatan veien veg tie katu kuja polku strasse gasse platz ulice " +
		"baan"},
	{way: wayBegin, words: "rue via viale vicolo piazza piazzale corso largo strada contrada borgo calle avenida avda carrera camino paseo " +
		"praca rua travessa estrada alameda chemin allees impasse route quai cours sentier carretera ronda cuesta ulica " +
		"ul ulitsa trg cesta aleja al aleje plac os leoforos odos bulevar jalan caminho rruga"},
	{way: wayMiddle, words: "utca u tere rkp rakpart krt fasor sor tee tn pst terrasse plass vei kapu mnt"},
	{traits: traitLeads, words: "in of since during by from until till before after year years circa around early late mid through thru to and " +
		"between a the this class fall spring summer winter autumn born pre post throughout prior anno about for than " +
		"or back established founded est copyright season as vintage dated died last within is dob yob birth"},
	{traits: traitUnit, words: "mg g gm grams kg mcg ug ng pg ml l dl cc iu u units unit mmol umol nmol pmol meq mosm mm cm m km ft feet " +
		"inches lb lbs oz kcal cal calorie calories kj steps cells copies per hours hour hrs h hz ms sec seconds min " +
		"mins minutes days weeks months years times x patients people subjects participants persons dollars usd eur " +
		"euros tablets capsules doses drops percent words pages points counts ppm rpm cases beds miles meters metres " +
		"mhz kb mb gb bytes platelets leukocytes mls cubic square sq gy cgy rads pounds employees volts watts " +
		"characters items rows records"},
	{traits: traitParticle, words: "de du des da do dos das dei degli delle dello del della di la le les las los el van den der von ten ter of the " +
		"y e i a al sur en zu zum zur am an auf nad pod op het 't &"},
	{traits: traitOpening, words: "ul rue rua calle ulica trg cesta avenida piazza viale avenue"},
	{traits: traitWhere, words: "address addresses live lives lived living reside resides residing send sent return returned mail mailed ship " +
		"shipped deliver delivered meet located situated arrived stop stops station drops moved corner"},
	{traits: traitBeside, words: "age aged ages turned turn turns turning of is was m apt apartment suite ste box psc unit ap ae aa no nr u utca " +
		"kapu terrasse vei january february april june july august september october november december"},
}
