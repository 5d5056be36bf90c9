"""The lexicon of the embedded corpus, most frequent words first (draws follow Zipf's law)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A noun; `weak` masculines take the plural form outside the nominative singular.

    `english` holds (singular, plural) of each translation, the usual one first. Mass nouns have
    no plural.
    """

    german: str
    gender: str
    german_plural: str
    english: tuple[tuple[str, str], ...]
    weak: bool = False

    @property
    def mass(self) -> bool:
        """Whether the noun has no plural."""
        return not self.german_plural


@dataclass(frozen=True)
class Verb:
    """A verb; `particle` is the separable prefix, `english` (base, past, participle) choices.

    `objects` names the groups of nouns that it takes, `prepositions` the German preposition, its
    case and the English one of a prepositional object.
    """

    particle: str
    infinitive: str
    third: str
    past: str
    participle: str
    english: tuple[tuple[str, str, str], ...]
    objects: str = ""
    case: str = "acc"
    preposition: str = ""
    english_preposition: str = ""
    auxiliary: str = "haben"


@dataclass(frozen=True)
class Adjective:
    """An adjective; `stem` takes the endings, `comparative` is (German, English).

    `goes_with` is "living", "lifeless" or "any": the nouns that it can describe.
    """

    german: str
    stem: str
    english: str
    goes_with: str
    comparative: tuple[str, str] | None = None


@dataclass(frozen=True)
class Place:
    """A noun with the preposition of being there (with dative) and its English counterpart."""

    noun: Noun
    german: str
    english: str


@dataclass(frozen=True)
class Adverb:
    """An adverbial; English choices, and whether English puts it before the verb."""

    german: str
    english: tuple[str, ...]
    before_verb: bool = False


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _english_plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _noun(line: str) -> Noun:
    german, gender, plural, *translations = line.split(",")
    pairs = (translation.partition("/") for translation in translations)
    english = tuple((single, many or _english_plural(single)) for single, _, many in pairs)
    return Noun(german, gender[0], plural.strip("-"), english, weak=gender == "mw")


def _nouns(text: str) -> tuple[Noun, ...]:
    return tuple(_noun(line) for line in text.split("\n") if line)


def _verb(line: str, case: str) -> Verb:
    forms, english, objects, *prepositional = (field.strip() for field in line.split(";"))
    preposition, case, english_preposition = prepositional or ("", case, "")
    infinitive, third, past, participle, *auxiliary = forms.split()
    particle, _, infinitive = infinitive.rpartition("|")
    return Verb(
        particle,
        infinitive,
        third,
        past,
        participle,
        tuple(_english_verb(choice) for choice in english.split("/")),
        objects,
        case,
        preposition,
        english_preposition,
        *auxiliary,
    )


def _english_verb(choice: str) -> tuple[str, str, str]:
    base, past, participle, *tail = choice.split()
    return " ".join((base, *tail)), " ".join((past, *tail)), " ".join((participle, *tail))


def _verbs(text: str, case: str = "acc") -> tuple[Verb, ...]:
    return tuple(_verb(line, case) for line in text.split("\n") if line)


PERSONS = _nouns("""
Mann,m,Männer,man/men
Frau,f,Frauen,woman/women
Kind,n,Kinder,child/children
Freund,m,Freunde,friend
Junge,mw,Jungen,boy
Mädchen,n,Mädchen,girl
Lehrer,m,Lehrer,teacher
Mutter,f,Mütter,mother
Vater,m,Väter,father
Nachbar,mw,Nachbarn,neighbour
Arzt,m,Ärzte,doctor
Bruder,m,Brüder,brother
Schwester,f,Schwestern,sister
Freundin,f,Freundinnen,friend
Student,mw,Studenten,student
Lehrerin,f,Lehrerinnen,teacher
Polizist,mw,Polizisten,policeman/policemen,police officer
Sohn,m,Söhne,son
Tochter,f,Töchter,daughter
Koch,m,Köche,cook
Gast,m,Gäste,guest
Bauer,mw,Bauern,farmer
Ärztin,f,Ärztinnen,doctor
Kollege,mw,Kollegen,colleague
Großmutter,f,Großmütter,grandmother
Künstler,m,Künstler,artist
Fahrer,m,Fahrer,driver
Onkel,m,Onkel,uncle
Tante,f,Tanten,aunt
Schüler,m,Schüler,pupil
Tourist,mw,Touristen,tourist
König,m,Könige,king
Musiker,m,Musiker,musician
Soldat,mw,Soldaten,soldier
Chef,m,Chefs,boss
Königin,f,Königinnen,queen
Richter,m,Richter,judge
Dieb,m,Diebe,thief/thieves
Sängerin,f,Sängerinnen,singer
Bäcker,m,Bäcker,baker
Anwalt,m,Anwälte,lawyer
Zeuge,mw,Zeugen,witness
Gärtner,m,Gärtner,gardener
Maler,m,Maler,painter
Kellner,m,Kellner,waiter
Forscher,m,Forscher,researcher
Schauspielerin,f,Schauspielerinnen,actress
Erfinder,m,Erfinder,inventor
""")

ANIMALS = _nouns("""
Hund,m,Hunde,dog
Katze,f,Katzen,cat
Pferd,n,Pferde,horse
Vogel,m,Vögel,bird
Kuh,f,Kühe,cow
Maus,f,Mäuse,mouse/mice
Schaf,n,Schafe,sheep/sheep
Bär,mw,Bären,bear
Huhn,n,Hühner,chicken
Ente,f,Enten,duck
Schwein,n,Schweine,pig
Affe,mw,Affen,monkey
Hase,mw,Hasen,hare
Löwe,mw,Löwen,lion
Fuchs,m,Füchse,fox
Ziege,f,Ziegen,goat
Esel,m,Esel,donkey
Wolf,m,Wölfe,wolf/wolves
Gans,f,Gänse,goose/geese
Schlange,f,Schlangen,snake
Igel,m,Igel,hedgehog
Biene,f,Bienen,bee
""")

THINGS = _nouns("""
Auto,n,Autos,car
Tisch,m,Tische,table
Ball,m,Bälle,ball
Bild,n,Bilder,picture,painting
Tür,f,Türen,door
Stuhl,m,Stühle,chair
Fahrrad,n,Fahrräder,bike,bicycle
Fenster,n,Fenster,window
Schlüssel,m,Schlüssel,key
Tasche,f,Taschen,bag
Telefon,n,Telefone,phone,telephone
Koffer,m,Koffer,suitcase
Lampe,f,Lampen,lamp
Glas,n,Gläser,glass
Uhr,f,Uhren,clock,watch
Blume,f,Blumen,flower
Baum,m,Bäume,tree
Computer,m,Computer,computer
Geschenk,n,Geschenke,present,gift
Boot,n,Boote,boat
Bett,n,Betten,bed
Kamera,f,Kameras,camera
Messer,n,Messer,knife/knives
Stein,m,Steine,stone
Ring,m,Ringe,ring
Flasche,f,Flaschen,bottle
Tasse,f,Tassen,cup
Teller,m,Teller,plate
Spiegel,m,Spiegel,mirror
Gitarre,f,Gitarren,guitar
Schirm,m,Schirme,umbrella
Zug,m,Züge,train
Bus,m,Busse,bus
Film,m,Filme,film,movie
Lied,n,Lieder,song
Schiff,n,Schiffe,ship
Foto,n,Fotos,photo
Topf,m,Töpfe,pot
Löffel,m,Löffel,spoon
Schachtel,f,Schachteln,box
Decke,f,Decken,blanket
Teppich,m,Teppiche,carpet
Maschine,f,Maschinen,machine
Kerze,f,Kerzen,candle
Korb,m,Körbe,basket
Leiter,f,Leitern,ladder
Rad,n,Räder,wheel
Zelt,n,Zelte,tent
Gabel,f,Gabeln,fork
Hammer,m,Hämmer,hammer
Puppe,f,Puppen,doll
Seil,n,Seile,rope
Motor,m,Motoren,engine
Kissen,n,Kissen,pillow
Fahne,f,Fahnen,flag
Rucksack,m,Rucksäcke,backpack
Münze,f,Münzen,coin
Geige,f,Geigen,violin
Zaun,m,Zäune,fence
Trommel,f,Trommeln,drum
Bürste,f,Bürsten,brush
Schublade,f,Schubladen,drawer
Krone,f,Kronen,crown
Schwert,n,Schwerter,sword
Knopf,m,Knöpfe,button
Nagel,m,Nägel,nail
Kiste,f,Kisten,crate
""")

TEXTS = _nouns("""
Buch,n,Bücher,book
Brief,m,Briefe,letter
Zeitung,f,Zeitungen,newspaper
E-Mail,f,E-Mails,e-mail
Geschichte,f,Geschichten,story
Roman,m,Romane,novel
Karte,f,Karten,map,card
Rechnung,f,Rechnungen,bill
Gedicht,n,Gedichte,poem
Vertrag,m,Verträge,contract
Wörterbuch,n,Wörterbücher,dictionary
Bericht,m,Berichte,report
""")

CLOTHES = _nouns("""
Hut,m,Hüte,hat
Jacke,f,Jacken,jacket
Schuh,m,Schuhe,shoe
Hemd,n,Hemden,shirt
Kleid,n,Kleider,dress
Mantel,m,Mäntel,coat
T-Shirt,n,T-Shirts,T-shirt
Handschuh,m,Handschuhe,glove
Gürtel,m,Gürtel,belt
Rock,m,Röcke,skirt
""")

FOOD = _nouns("""
Apfel,m,Äpfel,apple
Brot,n,-,bread
Kuchen,m,Kuchen,cake
Suppe,f,Suppen,soup
Käse,m,-,cheese
Ei,n,Eier,egg
Kartoffel,f,Kartoffeln,potato/potatoes
Fleisch,n,-,meat
Banane,f,Bananen,banana
Tomate,f,Tomaten,tomato/tomatoes
Reis,m,-,rice
Keks,m,Kekse,biscuit,cookie
Birne,f,Birnen,pear
Schokolade,f,-,chocolate
Erdbeere,f,Erdbeeren,strawberry
Wurst,f,Würste,sausage
Zwiebel,f,Zwiebeln,onion
Kirsche,f,Kirschen,cherry
Honig,m,-,honey
""")

DRINKS = _nouns("""
Wasser,n,-,water
Kaffee,m,-,coffee
Tee,m,-,tea
Milch,f,-,milk
Bier,n,-,beer
Wein,m,-,wine
Saft,m,-,juice
""")

# The first part of compounds such as "Küchentisch", which English writes as two words.
COMPOUND_PARTS = (
    ("Küchen", "kitchen"),
    ("Garten", "garden"),
    ("Holz", "wooden"),
    ("Spielzeug", "toy"),
    ("Museums", "museum"),
    ("Reise", "travel"),
    ("Silber", "silver"),
    ("Hotel", "hotel"),
    ("Kinder", "children's"),
    ("Glas", "glass"),
)

PLACES = tuple(
    Place(_noun(line), german, english)
    for german, english, line in (
        ("in", "in", "Haus,n,Häuser,house"),
        ("in", "in", "Garten,m,Gärten,garden"),
        ("in", "in", "Stadt,f,Städte,city,town"),
        ("in", "at", "Schule,f,Schulen,school"),
        ("in", "in", "Park,m,Parks,park"),
        ("in", "in", "Küche,f,Küchen,kitchen"),
        ("in", "in", "Wald,m,Wälder,forest,woods/woods"),
        ("an", "at", "Bahnhof,m,Bahnhöfe,station,train station"),
        ("in", "in", "Zimmer,n,Zimmer,room"),
        ("auf", "at", "Markt,m,Märkte,market"),
        ("auf", "on", "Straße,f,Straßen,street,road"),
        ("an", "on", "Strand,m,Strände,beach"),
        ("in", "in", "Büro,n,Büros,office"),
        ("in", "in", "Restaurant,n,Restaurants,restaurant"),
        ("in", "in", "Museum,n,Museen,museum"),
        ("in", "in", "Dorf,n,Dörfer,village"),
        ("in", "in", "Kirche,f,Kirchen,church"),
        ("in", "in", "Krankenhaus,n,Krankenhäuser,hospital"),
        ("an", "by", "See,m,Seen,lake"),
        ("in", "in", "Wohnung,f,Wohnungen,flat,apartment"),
        ("an", "by", "Fluss,m,Flüsse,river"),
        ("in", "in", "Bibliothek,f,Bibliotheken,library"),
        ("auf", "on", "Berg,m,Berge,mountain"),
        ("auf", "on", "Brücke,f,Brücken,bridge"),
        ("in", "in", "Hotel,n,Hotels,hotel"),
        ("in", "at", "Theater,n,Theater,theatre"),
        ("auf", "on", "Insel,f,Inseln,island"),
        ("in", "in", "Fabrik,f,Fabriken,factory"),
        ("in", "in", "Supermarkt,m,Supermärkte,supermarket"),
        ("in", "in", "Schloss,n,Schlösser,castle"),
        ("in", "in", "Keller,m,Keller,basement,cellar"),
        ("auf", "on", "Bauernhof,m,Bauernhöfe,farm"),
        ("in", "at", "Zoo,m,Zoos,zoo"),
        ("in", "in", "Werkstatt,f,Werkstätten,workshop"),
    )
)

ADJECTIVES = tuple(
    Adjective(german, stem, english, goes_with, comparative)
    for german, stem, english, goes_with, comparative in (
        ("alt", "alt", "old", "any", ("älter", "older")),
        ("klein", "klein", "small", "any", ("kleiner", "smaller")),
        ("groß", "groß", "big", "any", ("größer", "bigger")),
        ("neu", "neu", "new", "any", ("neuer", "newer")),
        ("schön", "schön", "beautiful", "any", ("schöner", "more beautiful")),
        ("jung", "jung", "young", "living", ("jünger", "younger")),
        ("rot", "rot", "red", "lifeless", None),
        ("schwarz", "schwarz", "black", "lifeless", None),
        ("stark", "stark", "strong", "living", ("stärker", "stronger")),
        ("weiß", "weiß", "white", "lifeless", None),
        ("teuer", "teur", "expensive", "lifeless", ("teurer", "more expensive")),
        ("blau", "blau", "blue", "lifeless", None),
        ("berühmt", "berühmt", "famous", "living", ("berühmter", "more famous")),
        ("schwer", "schwer", "heavy", "lifeless", ("schwerer", "heavier")),
        ("grün", "grün", "green", "lifeless", None),
        ("billig", "billig", "cheap", "lifeless", ("billiger", "cheaper")),
        ("klug", "klug", "clever", "living", ("klüger", "cleverer")),
        ("dunkel", "dunkl", "dark", "lifeless", ("dunkler", "darker")),
        ("seltsam", "seltsam", "strange", "any", None),
        ("braun", "braun", "brown", "lifeless", None),
        ("tapfer", "tapfer", "brave", "living", ("tapferer", "braver")),
        ("kaputt", "kaputt", "broken", "lifeless", None),
    )
)

STATES = tuple(
    Adjective(german, german, english, "living")
    for german, english in (
        ("müde", "tired"),
        ("glücklich", "happy"),
        ("krank", "ill"),
        ("traurig", "sad"),
        ("hungrig", "hungry"),
        ("wütend", "angry"),
        ("nett", "nice"),
        ("fleißig", "hard-working"),
        ("reich", "rich"),
        ("durstig", "thirsty"),
        ("faul", "lazy"),
        ("nervös", "nervous"),
    )
)

# Groups of nouns that `Verb.objects` names by letter.
GROUPS = {
    "P": PERSONS,
    "A": ANIMALS,
    "T": THINGS,
    "X": TEXTS,
    "C": CLOTHES,
    "F": FOOD,
    "D": DRINKS,
}

TRANSITIVE = _verbs("""
sehen sieht sah gesehen; see saw seen; PATX
kaufen kauft kaufte gekauft; buy bought bought; TXCFD
suchen sucht suchte gesucht; look looked looked for; PATXC
finden findet fand gefunden; find found found; PATXC
an|rufen ruft rief gerufen; call called called/phone phoned phoned; P
lesen liest las gelesen; read read read; X
essen isst aß gegessen; eat ate eaten; F
besuchen besucht besuchte besucht; visit visited visited; P
mit|bringen bringt brachte gebracht; bring brought brought; TXFD
schreiben schreibt schrieb geschrieben; write wrote written; X
trinken trinkt trank getrunken; drink drank drunk; D
lieben liebt liebte geliebt; love loved loved; PAF
auf|machen macht machte gemacht; open opened opened; T
treffen trifft traf getroffen; meet met met; P
brauchen braucht brauchte gebraucht; need needed needed; PTXC
tragen trägt trug getragen; wear wore worn; C
tragen trägt trug getragen; carry carried carried; TA
verkaufen verkauft verkaufte verkauft; sell sold sold; TXCA
ein|laden lädt lud geladen; invite invited invited; P
verlieren verliert verlor verloren; lose lost lost; TXC
hören hört hörte gehört; hear heard heard; PA
ab|holen holt holte geholt; pick picked picked up; P
kennen kennt kannte gekannt; know knew known; P
malen malt malte gemalt; paint painted painted; PAT
fragen fragt fragte gefragt; ask asked asked; P
verstehen versteht verstand verstanden; understand understood understood; PX
an|ziehen zieht zog gezogen; put put put on; C
reparieren repariert reparierte repariert; repair repaired repaired/fix fixed fixed; T
waschen wäscht wusch gewaschen; wash washed washed; TC
vergessen vergisst vergaß vergessen; forget forgot forgotten; TXC
kochen kocht kochte gekocht; cook cooked cooked; F
zu|machen macht machte gemacht; close closed closed; T
weg|werfen wirft warf geworfen; throw threw thrown away; TXC
stehlen stiehlt stahl gestohlen; steal stole stolen; TX
jagen jagt jagte gejagt; chase chased chased; A
verstecken versteckt versteckte versteckt; hide hid hidden; TX
aus|leihen leiht lieh geliehen; borrow borrowed borrowed; TX
retten rettet rettete gerettet; save saved saved/rescue rescued rescued; PA
zeichnen zeichnet zeichnete gezeichnet; draw drew drawn; PAT
mit|nehmen nimmt nahm genommen; take took taken along; PAT
putzen putzt putzte geputzt; clean cleaned cleaned; T
unterschreiben unterschreibt unterschrieb unterschrieben; sign signed signed; X
aus|ziehen zieht zog gezogen; take took taken off; C
beschreiben beschreibt beschrieb beschrieben; describe described described; PAT
fotografieren fotografiert fotografierte fotografiert; photograph photographed photographed; PAT
ein|packen packt packte gepackt; pack packed packed; TXC
""")

DATIVE = _verbs(
    """
helfen hilft half geholfen; help helped helped; PA
danken dankt dankte gedankt; thank thanked thanked; P
folgen folgt folgte gefolgt sein; follow followed followed; PA
zu|hören hört hörte gehört; listen listened listened to; P
antworten antwortet antwortete geantwortet; answer answered answered; P
zu|sehen sieht sah gesehen; watch watched watched; PA
""",
    case="dat",
)

PREPOSITIONAL = _verbs("""
warten wartet wartete gewartet; wait waited waited; P; auf; acc; for
sprechen spricht sprach gesprochen; speak spoke spoken/talk talked talked; P; mit; dat; to
spielen spielt spielte gespielt; play played played; PA; mit; dat; with
denken denkt dachte gedacht; think thought thought; P; an; acc; of
lachen lacht lachte gelacht; laugh laughed laughed; PA; über; acc; at
träumen träumt träumte geträumt; dream dreamt dreamt; PAT; von; dat; of
""")

DITRANSITIVE = _verbs("""
geben gibt gab gegeben; give gave given; TXFC
zeigen zeigt zeigte gezeigt; show showed shown; TXCA
schicken schickt schickte geschickt; send sent sent; TX
bringen bringt brachte gebracht; bring brought brought; TXFD
schenken schenkt schenkte geschenkt; give gave given; TXCA
leihen leiht lieh geliehen; lend lent lent; TXC
""")

INTRANSITIVE = _verbs("""
schlafen schläft schlief geschlafen; sleep slept slept;
arbeiten arbeitet arbeitete gearbeitet; work worked worked;
warten wartet wartete gewartet; wait waited waited;
spielen spielt spielte gespielt; play played played;
singen singt sang gesungen; sing sang sung;
lachen lacht lachte gelacht; laugh laughed laughed;
auf|stehen steht stand gestanden sein; get got got up;
weinen weint weinte geweint; cry cried cried;
ein|schlafen schläft schlief geschlafen sein; fall fell fallen asleep;
tanzen tanzt tanzte getanzt; dance danced danced;
lernen lernt lernte gelernt; study studied studied/learn learned learned;
sitzen sitzt saß gesessen; sit sat sat;
auf|wachen wacht wachte gewacht sein; wake woke woken up;
""")

MOTION = _verbs("""
gehen geht ging gegangen sein; go went gone;
fahren fährt fuhr gefahren sein; drive drove driven;
kommen kommt kam gekommen sein; come came come;
laufen läuft lief gelaufen sein; run ran run;
zurück|kommen kommt kam gekommen sein; come came come back;
reisen reist reiste gereist sein; travel travelled travelled;
zurück|kehren kehrt kehrte gekehrt sein; return returned returned;
""")

SAYING = _verbs("""
sagen sagt sagte gesagt; say said said;
glauben glaubt glaubte geglaubt; believe believed believed/think thought thought;
wissen weiß wusste gewusst; know knew known;
hoffen hofft hoffte gehofft; hope hoped hoped;
denken denkt dachte gedacht; think thought thought;
hören hört hörte gehört; hear heard heard;
vergessen vergisst vergaß vergessen; forget forgot forgotten;
""")

TRYING = _verbs("""
versuchen versucht versuchte versucht; try tried tried;
an|fangen fängt fing gefangen; begin began begun/start started started;
vergessen vergisst vergaß vergessen; forget forgot forgotten;
versprechen verspricht versprach versprochen; promise promised promised;
planen plant plante geplant; plan planned planned;
hoffen hofft hoffte gehofft; hope hoped hoped;
""")

BE = Verb("", "sein", "ist", "war", "gewesen", (("be", "was", "been"),), auxiliary="sein")

# ich, du, er/sie/es, plural; of verbs whose present tense is not regular.
PRESENT = {
    "sein": ("bin", "bist", "ist", "sind"),
    "haben": ("habe", "hast", "hat", "haben"),
    "werden": ("werde", "wirst", "wird", "werden"),
    "wissen": ("weiß", "weißt", "weiß", "wissen"),
    "können": ("kann", "kannst", "kann", "können"),
    "müssen": ("muss", "musst", "muss", "müssen"),
    "wollen": ("will", "willst", "will", "wollen"),
    "sollen": ("soll", "sollst", "soll", "sollen"),
    "dürfen": ("darf", "darfst", "darf", "dürfen"),
    "möchten": ("möchte", "möchtest", "möchte", "möchten"),
}

# The English modal, or a verb that is conjugated and takes "to".
MODALS = (
    ("können", "can"),
    ("müssen", "must"),
    ("wollen", "want to"),
    ("sollen", "should"),
    ("möchten", "would like to"),
    ("dürfen", "may"),
)

ALWAYS = (
    Adverb("heute", ("today",)),
    Adverb("oft", ("often",), before_verb=True),
    Adverb("am Morgen", ("in the morning",)),
    Adverb("immer", ("always",), before_verb=True),
    Adverb("am Abend", ("in the evening", "at night")),
    Adverb("am Montag", ("on Monday",)),
    Adverb("manchmal", ("sometimes",), before_verb=True),
    Adverb("am Wochenende", ("at the weekend",)),
    Adverb("am Samstag", ("on Saturday",)),
    Adverb("am Sonntag", ("on Sunday",)),
    Adverb("nie", ("never",), before_verb=True),
    Adverb("am Freitag", ("on Friday",)),
)
NOW = (
    Adverb("jetzt", ("now",)),
    Adverb("jeden Tag", ("every day",)),
    Adverb("gerade", ("right now", "at the moment")),
    Adverb("jede Woche", ("every week",)),
)
PAST = (
    Adverb("gestern", ("yesterday",)),
    Adverb("letzte Woche", ("last week",)),
    Adverb("heute Morgen", ("this morning",)),
    Adverb("letztes Jahr", ("last year",)),
    Adverb("vor zwei Tagen", ("two days ago",)),
    Adverb("gestern Abend", ("last night", "yesterday evening")),
    Adverb("damals", ("back then", "at that time")),
)
FUTURE = (
    Adverb("morgen", ("tomorrow",)),
    Adverb("bald", ("soon",)),
    Adverb("nächste Woche", ("next week",)),
    Adverb("heute Abend", ("tonight", "this evening")),
    Adverb("später", ("later",)),
)
MANNER = (
    Adverb("schnell", ("quickly",)),
    Adverb("langsam", ("slowly",)),
    Adverb("allein", ("alone",)),
    Adverb("leise", ("quietly",)),
    Adverb("laut", ("loudly",)),
    Adverb("zusammen", ("together",)),
)

# German conjunction of a subordinate clause, its English choices.
CONJUNCTIONS = (
    ("weil", ("because", "since")),
    ("wenn", ("when", "if")),
    ("obwohl", ("although", "even though")),
    ("bevor", ("before",)),
    ("nachdem", ("after",)),
    ("während", ("while",)),
)
COORDINATIONS = (
    ("und", ("and",)),
    ("aber", ("but",)),
    ("denn", ("because", "for")),
)

FIRST_NAMES = _split(
    "Anna Peter Maria Paul Lena Thomas Julia Max Laura Felix Sophie Jonas Emma Lukas Klara David "
    "Eva Martin Nina Otto"
)
CITIES = (
    ("Berlin", "Berlin"),
    ("Hamburg", "Hamburg"),
    ("München", "Munich"),
    ("Wien", "Vienna"),
    ("Köln", "Cologne"),
    ("Paris", "Paris"),
    ("Rom", "Rome"),
    ("London", "London"),
)
# Parts of made-up names: so many that most names occur once or twice in a corpus.
NAME_STARTS = _split(
    "Bar Tol Mir Sen Kal Dor Fen Gus Hal Jor Lam Nor Pel Quin Ros Sil Tam Ulr Vel Wen Yor Zab Bel "
    "Cor Dam Eld Fir Gol Hen Ist"
)
NAME_MIDDLES = _split("a e i o u an el in or ur ba di ko lu mi")
NAME_ENDS = _split("ba da ko la mi na po ra so ti lin nor rek sen tov vik dan mar bert wig")
TOWN_ENDS = _split("berg burg dorf feld hausen heim stadt tal bach ingen")
