// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

// maxRegion is the longest name of a region.
const maxRegion = 32

// regions are the names of the states and territories of the United States and of
// countries, in small letters, as addresses have them. Longer and rarer forms are
// masked.
var regions = map[string]bool{
	"afghanistan": true, "alabama": true, "alaska": true, "albania": true, "algeria": true, "american samoa": true,
	"andorra": true, "angola": true, "antigua and barbuda": true, "argentina": true, "arizona": true, "arkansas": true,
	"armenia": true, "australia": true, "austria": true, "azerbaijan": true, "bahamas": true, "bahrain": true,
	"bangladesh": true, "barbados": true, "belarus": true, "belgium": true, "belize": true, "benin": true,
	"bhutan": true, "bolivia": true, "bosnia and herzegovina": true, "botswana": true, "brazil": true, "brunei": true,
	"bulgaria": true, "burkina faso": true, "burundi": true, "california": true, "cambodia": true, "cameroon": true,
	"canada": true, "cape verde": true, "central african republic": true, "chad": true, "chile": true, "china": true,
	"colombia": true, "colorado": true, "comoros": true, "congo": true, "connecticut": true, "costa rica": true,
	"croatia": true, "cuba": true, "cyprus": true, "czech republic": true, "czechia": true, "delaware": true,
	"denmark": true, "district of columbia": true, "djibouti": true, "dominica": true, "dominican republic": true, "ecuador": true,
	"egypt": true, "el salvador": true, "england": true, "equatorial guinea": true, "eritrea": true, "estonia": true,
	"eswatini": true, "ethiopia": true, "fiji": true, "finland": true, "florida": true, "france": true,
	"gabon": true, "gambia": true, "georgia": true, "germany": true, "ghana": true, "great britain": true,
	"greece": true, "grenada": true, "guam": true, "guatemala": true, "guinea": true, "guinea-bissau": true,
	"guyana": true, "haiti": true, "hawaii": true, "honduras": true, "hungary": true, "iceland": true,
	"idaho": true, "illinois": true, "india": true, "indiana": true, "indonesia": true, "iowa": true,
	"iran": true, "iraq": true, "ireland": true, "israel": true, "italy": true, "ivory coast": true,
	"jamaica": true, "japan": true, "jordan": true, "kansas": true, "kazakhstan": true, "kentucky": true,
	"kenya": true, "kiribati": true, "kosovo": true, "kuwait": true, "kyrgyzstan": true, "laos": true,
	"latvia": true, "lebanon": true, "lesotho": true, "liberia": true, "libya": true, "liechtenstein": true,
	"lithuania": true, "louisiana": true, "luxembourg": true, "madagascar": true, "maine": true, "malawi": true,
	"malaysia": true, "maldives": true, "mali": true, "malta": true, "marshall islands": true, "maryland": true,
	"massachusetts": true, "mauritania": true, "mauritius": true, "mexico": true, "michigan": true, "micronesia": true,
	"minnesota": true, "mississippi": true, "missouri": true, "moldova": true, "monaco": true, "mongolia": true,
	"montana": true, "montenegro": true, "morocco": true, "mozambique": true, "myanmar": true, "namibia": true,
	"nauru": true, "nebraska": true, "nepal": true, "netherlands": true, "nevada": true, "new hampshire": true,
	"new jersey": true, "new mexico": true, "new york": true, "new zealand": true, "nicaragua": true, "niger": true,
	"nigeria": true, "north carolina": true, "north dakota": true, "north korea": true, "north macedonia": true, "northern ireland": true,
	"northern mariana islands": true, "norway": true, "ohio": true, "oklahoma": true, "oman": true, "oregon": true,
	"pakistan": true, "palau": true, "palestine": true, "panama": true, "papua new guinea": true, "paraguay": true,
	"pennsylvania": true, "peru": true, "philippines": true, "poland": true, "portugal": true, "puerto rico": true,
	"qatar": true, "rhode island": true, "romania": true, "russia": true, "rwanda": true, "saint kitts and nevis": true,
	"saint lucia": true, "samoa": true, "san marino": true, "saudi arabia": true, "scotland": true, "senegal": true,
	"serbia": true, "seychelles": true, "sierra leone": true, "singapore": true, "slovakia": true, "slovenia": true,
	"solomon islands": true, "somalia": true, "south africa": true, "south carolina": true, "south dakota": true, "south korea": true,
	"south sudan": true, "spain": true, "sri lanka": true, "sudan": true, "suriname": true, "sweden": true,
	"switzerland": true, "syria": true, "taiwan": true, "tajikistan": true, "tanzania": true, "tennessee": true,
	"texas": true, "thailand": true, "the netherlands": true, "timor-leste": true, "togo": true, "tonga": true,
	"trinidad and tobago": true, "tunisia": true, "turkey": true, "turkmenistan": true, "tuvalu": true, "uganda": true,
	"ukraine": true, "united arab emirates": true, "united kingdom": true, "united states": true, "united states of america": true, "uruguay": true,
	"utah": true, "uzbekistan": true, "vanuatu": true, "vatican city": true, "venezuela": true, "vermont": true,
	"vietnam": true, "virgin islands": true, "virginia": true, "wales": true, "washington": true, "west virginia": true,
	"wisconsin": true, "wyoming": true, "yemen": true, "zambia": true, "zimbabwe": true,
}
