// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// found renders what a scanner finds as "ENTITY:text".
func found(s *scan.Scanner, text string) []string {
	var out []string
	for _, f := range s.Scan(nil, []byte(text), nil) {
		out = append(out, f.Entity.String()+":"+text[f.Start:f.End])
	}
	return out
}

// patternCase is a text and what is to be found in it.
type patternCase struct {
	text string
	want []string
}

func runPatterns(t *testing.T, cases []patternCase) {
	t.Helper()
	s := scanner(t, scan.Options{})
	for _, c := range cases {
		if d := cmp.Diff(c.want, found(s, c.text)); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, d)
		}
	}
}

func one(text, want string) patternCase { return patternCase{text, []string{want}} }
func none(text string) patternCase      { return patternCase{text, nil} }

func TestSSN(t *testing.T) {
	runPatterns(t, []patternCase{
		one("900-12-3456", "SSN:900-12-3456"),
		one("SSN: 900-12-3456.", "SSN:900-12-3456"),
		one("id 123-45-6789", "SSN:123-45-6789"),
		one("000-12-3456", "ID:000-12-3456"),
		one("SSN 000-12-3456", "SSN:000-12-3456"),
		one("666-12-3456", "ID:666-12-3456"),
		one("123-00-6789", "ID:123-00-6789"),
		one("SSN 900123456", "SSN:900123456"),
		one("SSN900-12-3456", "SSN:900-12-3456"),
		one("social security number is 900 12 3456", "SSN:900 12 3456"),
		one("123 45 6789", "SSN:123 45 6789"),
		one("ssn 123.45.6789", "SSN:123.45.6789"),
		one("900‑12‑3456", "SSN:900‑12‑3456"),
		one("(900-12-3456)", "SSN:900-12-3456"),
		one("HICN 123-45-6789A", "PLAN:123-45-6789A"),
		none("123456789"),
		none("1900-12-34567"),
		none("900-12-34567"),
		none("x900-12-3456y"),
		none("ORD-12-900-12-3456-1"),
	})
}

func TestPhones(t *testing.T) {
	runPatterns(t, []patternCase{
		one("617-555-0123", "PHONE:617-555-0123"),
		one("(617) 555-0123", "PHONE:(617) 555-0123"),
		one("(617)555-0123x45", "PHONE:(617)555-0123x45"),
		one("617.555.0123 ext. 77", "PHONE:617.555.0123 ext. 77"),
		one("+1 617 555 0123", "PHONE:+1 617 555 0123"),
		one("1-617-555-0123", "PHONE:1-617-555-0123"),
		one("001-617-555-0123", "PHONE:001-617-555-0123"),
		one("call 617 555 0123 now", "PHONE:617 555 0123"),
		one("+16175550123", "PHONE:+16175550123"),
		one("+46 (0)8 928 571 38", "PHONE:+46 (0)8 928 571 38"),
		one("+44 7700 900 123", "PHONE:+44 7700 900 123"),
		one("+447700 900 123", "PHONE:+447700 900 123"),
		one("+49 (0) 30 901820", "PHONE:+49 (0) 30 901820"),
		one("07700 900123", "PHONE:07700 900123"),
		one("0490 75 40 81", "PHONE:0490 75 40 81"),
		one("01.84.17.61.18", "PHONE:01.84.17.61.18"),
		one("(08) 8747 6301", "PHONE:(08) 8747 6301"),
		one("(37) 788-063", "PHONE:(37) 788-063"),
		one("0961-7596216", "PHONE:0961-7596216"),
		one("Tel. 9472 7916", "PHONE:9472 7916"),
		one("Can someone call me on 451 5986?", "PHONE:451 5986"),
		one("They answer at 71-33-52-22, answering all day", "PHONE:71-33-52-22"),
		one("cell 555.0123", "PHONE:555.0123"),
		one("28-64-66-98 office", "PHONE:28-64-66-98"),
		one("Mobile: 5403926876", "PHONE:5403926876"),
		one("Phone:\n467 3395\n", "PHONE:467 3395"),
		one("my number is 655 437 108", "PHONE:655 437 108"),
		one("fax 617-555-0199", "FAX:617-555-0199"),
		one("617-555-0199 fax", "FAX:617-555-0199"),
		one("Desk: 082 490 1693-Fax", "FAX:082 490 1693"),
		{"416 60 039 office\n+46 (0)8 928 571 38 fax", []string{"PHONE:416 60 039", "FAX:+46 (0)8 928 571 38"}},
		{"(617) 555-0123, (617) 555-0124", []string{"PHONE:(617) 555-0123", "PHONE:(617) 555-0124"}},
		none("5403926876"),
		none("9472 7916"),
		none("order 5403926876"),
		none("[PHONE] 9472 7916"),
		none("0002-8215-01"),
		none("call about the 12 345 cases"),
		none("called 3 times at 120/80"),
		none("9400 1000 0000 0000 0000 00"),
		none("12 14 15 16 18 22 24 26 28 30 31 33"),
		none("JAMA 2014;311(5):507-520"),
	})
}

func TestNetwork(t *testing.T) {
	runPatterns(t, []patternCase{
		one("write to ann.lee+x@example.org.", "EMAIL:ann.lee+x@example.org"),
		one("<o'neil@mail.example.co.uk>", "EMAIL:o'neil@mail.example.co.uk"),
		one("phone 2125550123@example.org", "EMAIL:2125550123@example.org"),
		one("mail=lee42@example.org", "EMAIL:lee42@example.org"),
		one("josé@müller.example", "EMAIL:josé@müller.example"),
		none("user@localhost"),
		none("@handle"),
		none("5 @ 10.50"),
		one("see https://www.example.org/a?b=1.", "URL:https://www.example.org/a?b=1"),
		one("(www.example.org)", "URL:www.example.org"),
		one("ftp://10.0.0.1/x", "URL:ftp://10.0.0.1/x"),
		none("ratio 3://"),
		one("from 10.20.30.40:8080", "IP:10.20.30.40"),
		one("|86.121.97.248|%20", "IP:86.121.97.248"),
		one("10.20.30.40/24", "IP:10.20.30.40"),
		none("10.20.30.256"),
		none("10.20.30.040"),
		none("version 10.4.2.1"),
		none("v10.4.2.1"),
		none("10.4.2"),
		none("1.2.3.4.5"),
		one("fe80::1 up", "IP:fe80::1"),
		one("[2001:db8::8a2e:370:7334]:443", "IP:2001:db8::8a2e:370:7334"),
		one("::ffff:10.0.0.1", "IP:::ffff:10.0.0.1"),
		none("std::vector"),
		none("12:34:56"),
		none("1:2:3:4:5:6:7"),
		one("00:1A:2b:3C:4D:5E", "DEVICE:00:1A:2b:3C:4D:5E"),
		one("00-1A-2B-3C-4D-5E", "DEVICE:00-1A-2B-3C-4D-5E"),
		one("a0-1a-2b-3c-4d-5e", "DEVICE:a0-1a-2b-3c-4d-5e"),
		none("00:1A:2B:3C:4D"),
		none("00:1A:2B:3C:4D:5G"),
	})
}

func TestDates(t *testing.T) {
	runPatterns(t, []patternCase{
		one("2000-04-16", "DATE:2000-04-16"),
		one("2000-04-16 11:34:35", "DATE:2000-04-16 11:34:35"),
		one("2000-04-16T11:34:35.123Z", "DATE:2000-04-16T11:34:35.123Z"),
		one("2000-04-16T11:34:35+01:00,", "DATE:2000-04-16T11:34:35+01:00"),
		one("2000/4/6", "DATE:2000/4/6"),
		one("2/16/1942", "DATE:2/16/1942"),
		one("16/2/42", "DATE:16/2/42"),
		one("16.02.1942", "DATE:16.02.1942"),
		one("born 16.02.42", "DATE:16.02.42"),
		one("02-16-1942 at 3:45 pm.", "DATE:02-16-1942 at 3:45 pm"),
		one("5-Jan-2020", "DATE:5-Jan-2020"),
		one("05-JAN-20", "DATE:05-JAN-20"),
		one("05JAN2020", "DATE:05JAN2020"),
		one("on January 5, 2020", "DATE:January 5, 2020"),
		one("January 5th", "DATE:January 5th"),
		one("Jan. 5", "DATE:Jan. 5"),
		one("5 January 2020 10:30", "DATE:5 January 2020 10:30"),
		one("5th of May", "DATE:5th of May"),
		one("the 21st of december, 1999", "DATE:21st of december, 1999"),
		one("May 2020", "DATE:May 2020"),
		one("January of 2020", "DATE:January of 2020"),
		one("05/2020", "DATE:05/2020"),
		one("2020-05", "DATE:2020-05"),
		one("seen on 3/14", "DATE:3/14"),
		one("19830829", "DATE:19830829"),
		one("20200105113435", "DATE:20200105113435"),
		one("20200105113435-0500", "DATE:20200105113435-0500"),
		one("202001051134", "DATE:202001051134"),
		{"1/2/2020-3/4/2020", []string{"DATE:1/2/2020", "DATE:3/4/2020"}},
		none("2000-13-16"),
		one("2000-02-30", "DATE:2000-02-30"),
		one("02/30/2020", "DATE:02/30/2020"),
		one("3 Jul 2020 10:11:12 +0200", "DATE:3 Jul 2020 10:11:12 +0200"),
		none("13/32/2000"),
		none("3/14"),
		none("120/80"),
		none("10.12.14"),
		none("may 5 be"),
		none("19831329"),
		none("18000101"),
		none("1.2.3"),
		none("5 mar"),
	})
}

func TestYears(t *testing.T) {
	runPatterns(t, []patternCase{
		one("founded in 1973. Since", "YEAR:1973"),
		one("Zoolander is a 2017 film", "YEAR:2017"),
		one("During 1980, it", "YEAR:1980"),
		one("(2014)", "YEAR:2014"),
		one("the Act of 2001 protects", "YEAR:2001"),
		one("in the 1990s", "YEAR:1990"),
		one("DOB: 1980", "YEAR:1980"),
		none("2014"),
		none("room 2014"),
		none("in room 2014"),
		none("2000 mg"),
		none("a dose of 2000 mg"),
		none("about 2000 mL"),
		none("in 2345"),
		none("of 2000.5"),
		none("2001 Main"),
		none("in 1950,000"),
	})
}

func TestAges(t *testing.T) {
	runPatterns(t, []patternCase{
		one("92 y/o man", "AGE:92"),
		one("92yo", "AGE:92"),
		one("aged 47", "AGE:47"),
		one("a 42-year-old", "AGE:42"),
		one("is 80 years old", "AGE:80"),
		one("Age: 35", "AGE:35"),
		one("just turned 65", "AGE:65"),
		one("at the age of 61", "AGE:61"),
		one("80 years of age", "AGE:80"),
		one("when he was 65.", "AGE:65"),
		one("18 months old", "AGE:18"),
		none("for 35 years"),
		none("turned 90 degrees"),
		none("a dosage of 47"),
		none("age 350"),
		none("image 35"),
	})
}

func TestCards(t *testing.T) {
	runPatterns(t, []patternCase{
		one("4111111111111111", "CARD:4111111111111111"),
		one("4111 1111 1111 1111", "CARD:4111 1111 1111 1111"),
		one("3714-496353-98431", "CARD:3714-496353-98431"),
		one("180016070420458", "CARD:180016070420458"),
		one("card number is 675984103431?", "CARD:675984103431"),
		one("card 4421521028146", "CARD:4421521028146"),
		one("my card # 4111111111111112", "CARD:4111111111111112"),
		none("4111111111111112"),
		none("675984103431"),
		none("9111111111111111"),
		none("a4111111111111111b"),
		one("GB29NWBK60161331926819", "IBAN:GB29NWBK60161331926819"),
		one("gb29nwbk60161331926819", "IBAN:gb29nwbk60161331926819"),
		one("DE89 3704 0044 0532 0130 00.", "IBAN:DE89 3704 0044 0532 0130 00"),
		none("GB29NWBK60161331926818"),
		none("GB29NWBK6016133192681"),
		one("routing number 021000021", "ACCOUNT:021000021"),
		one("account no. 12345678", "ACCOUNT:12345678"),
		none("021000021"),
	})
}

func TestHealthcareNumbers(t *testing.T) {
	runPatterns(t, []patternCase{
		one("MRN: 00123456", "MRN:00123456"),
		one("medical record number A-123456", "MRN:A-123456"),
		one("MRN00123456", "MRN:00123456"),
		none("records of 12345 patients"),
		one("NPI 1234567893", "NPI:1234567893"),
		none("1234567893"),
		one("AB1234563", "DEA:AB1234563"),
		none("AB1234564"),
		one("DEA no. AB1234564", "DEA:AB1234564"),
		one("1EG4-TE5-MK73", "PLAN:1EG4-TE5-MK73"),
		one("1EG4TE5MK73", "PLAN:1EG4TE5MK73"),
		none("1SG4TE5MK73"),
		one("member id XYZ123456789", "PLAN:XYZ123456789"),
		one("claim 99887766", "ID:99887766"),
		one("patient 550e8400-e29b-41d4-a716-446655440000", "ID:550e8400-e29b-41d4-a716-446655440000"),
		none("550e8400-e29b-41d4-a716-446655440000"),
		none("LOINC 4548-4, CPT 99213, E11.9, J45.909"),
		none("NDC 00093-0058-01"),
		none("SNOMED 73211009"),
		none("order number 20200105"),
	})
}

func TestThings(t *testing.T) {
	runPatterns(t, []patternCase{
		one("1HGBH41JXMN109186", "VIN:1HGBH41JXMN109186"),
		none("1HGBH41J1MN109186"),
		none("11111111111111111"),
		one("license plate ABC-1234", "PLATE:ABC-1234"),
		one("driver's license number is F162823540116", "LICENSE:F162823540116"),
		one("passport C01234567", "LICENSE:C01234567"),
		one("IMEI 490154203237518", "DEVICE:490154203237518"),
		one("S/N 12345678", "DEVICE:12345678"),
		one("serial number SN-4431-77", "DEVICE:SN-4431-77"),
		one("(01)00844588003288(17)141120(10)7654321D", "DEVICE:(01)00844588003288(17)141120(10)7654321D"),
		none("(01)00844588003289"),
		one("+H123PARTNO1234567890120/$$420020216LOT123456789012345", "DEVICE:+H123PARTNO1234567890120/$$420020216LOT123456789012345"),
		one("at 40.7128, -74.0060 now", "COORDINATES:40.7128, -74.0060"),
		one("40.7128° N, 74.0060° W", "COORDINATES:40.7128° N, 74.0060° W"),
		one("lat: -33.8688", "COORDINATES:-33.8688"),
		none("7.9123"),
		none("95.1234, 8.1234"),
	})
}

func TestPostalCodes(t *testing.T) {
	runPatterns(t, []patternCase{
		one("02139-4307", "ZIP:02139-4307"),
		one("Cambridge, MA 02139", "ZIP:02139"),
		one("New York 10001", "ZIP:10001"),
		one("ZIP: 7412 SL", "ZIP:7412 SL"),
		one("my zip code is 610", "ZIP:610"),
		one("postal code 394 13", "ZIP:394 13"),
		one("ZIP: 75534-030", "ZIP:75534-030"),
		one("SW1A 1AA", "ZIP:SW1A 1AA"),
		one("K1A 0B1", "ZIP:K1A 0B1"),
		one("our office in Lisboa 1100-148 in", "ZIP:1100-148"),
		none("02139"),
		none("ID 12345-6"),
		none("in Room 2014"),
		none("in Boston 12000 patients"),
		none("WBC 11200"),
	})
}
