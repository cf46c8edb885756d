"""The words that documents are made from, in three languages, from frequent to rare. Topic words are extended by endings."""

from dataclasses import dataclass

TOPICS = (
    "astronomy",
    "medicine",
    "cooking",
    "music",
    "football",
    "law",
    "finance",
    "gardening",
    "sailing",
    "railways",
    "computing",
    "geology",
)


@dataclass(frozen=True)
class Language:
    """One language. `stems` has a line for each of TOPICS; `endings` make rarer words from them, most of them in no
    dictionary."""

    code: str
    function: tuple[str, ...]  # in every sentence, whatever it is about
    general: tuple[str, ...]  # of no topic
    stems: tuple[tuple[str, ...], ...]
    endings: tuple[str, ...]
    joints: tuple[str, ...]  # what joins two words to a title
    questions: tuple[str, ...]  # what a person types who looks for three words
    nouns_capital: bool = False  # topic words start with a capital letter
    silent: str = ""  # letters that a stem loses before an ending

    def topic_words(self, topic: int) -> list[str]:
        """The words of a topic, most frequent first: its stems, then its stems with each ending in turn."""
        stems = self.stems[topic]
        words = [*stems, *(stem.rstrip(self.silent) + ending for ending in self.endings for stem in stems)]
        return [word.capitalize() if self.nouns_capital else word for word in dict.fromkeys(words)]


def lines(text: str) -> tuple[tuple[str, ...], ...]:
    """Words by line."""
    return tuple(tuple(line.split()) for line in text.strip().splitlines())


def line(text: str) -> tuple[str, ...]:
    """Words."""
    return tuple(text.split())


ENGLISH = Language(
    code="en",
    function=line("""
        the of and to in is that for it as was with on by are this be at from not or which have an they but has were their its
        one all there when can more will about if out so what up other into than then only some could these two may"""),
    general=line("""
        time year people day way place part work world hand life week case number point group company system problem fact month
        night story result change morning reason research moment café name idea country history family question power city
        evening résumé side kind head end book word line naïve road form cliché façade matter interest level order voice"""),
    stems=lines("""
        star planet orbit comet telescope galaxy moon eclipse nebula meteor lens crater dust horizon signal probe
        patient nurse cell fever pulse vaccine clinic dose heart surgeon wound bone nerve lung blood remedy
        kitchen bread onion pepper oven butter sauce spoon flour garlic lemon recipe soup salt dough pan
        song note pitch chord violin drum rhythm singer choir piano track string tempo scale stage flute
        goal pitch match player referee league coach striker keeper corner penalty defender stadium team net whistle
        court judge verdict lawyer contract witness appeal clause statute trial claim jury prison cell bail oath
        market bank share bond credit loan dividend profit fund tax ledger note debt broker budget coin
        garden root seed soil rose hedge compost flower shrub lawn bulb branch weed spade fruit orchard
        ship sail mast anchor harbour port wind tide deck current rudder cabin hull captain keel reef
        train track station signal engine carriage platform ticket tunnel driver junction switch freight rail bridge conductor
        server network database kernel port root memory packet compiler query thread cache index cluster switch cursor
        rock fault crust lava mineral glacier basin bank quartz sediment canyon fossil plate magma ridge layer"""),
    endings=line("""
        line work field house mark side craft keeper stone ward light book point board maker room shed watch yard path scale master
        ring bound"""),
    joints=(" and ", " or ", " for ", ": "),
    questions=(
        "how does {} change {} and {}",
        "{} with {} or {}",
        "what is {} of {} in {}",
        "{} {} {}",
        "the {} and its {} for {}",
    ),
)

GERMAN = Language(
    code="de",
    function=line("""
        die der und in zu den das nicht von sie ist des sich mit dem dass er es ein ich auf so eine auch als an nach wie im für
        man aber aus durch wenn nur war noch werden bei hat wir was wird sein einen welche sind oder um über einer"""),
    general=line("""
        heute gestern immer später früher häufig selten wenige viele große kleine alte neue schöne lange kurze gegenüber während
        natürlich möglich einfach schwierig plötzlich übrigens zunächst schließlich außerdem vielleicht gemeinsam täglich jährlich
        gründlich ähnlich völlig nützlich fröhlich allmählich ungefähr dafür darüber zurück vorwärts draußen drüben"""),
    stems=lines("""
        stern planet komet mond galaxie fernrohr umlauf nebel krater linse staub horizont sonde finsternis himmel signal
        patient zelle fieber puls impfung klinik dosis herz chirurg wunde knochen nerv lunge blut pflege arznei
        küche brot zwiebel pfeffer ofen butter soße löffel mehl knoblauch zitrone rezept suppe salz teig pfanne
        lied note akkord geige trommel takt sänger chor klavier saite bühne flöte tonleiter bass melodie kanon
        tor spieler trainer liga stürmer ecke elfmeter verteidiger stadion mannschaft netz pfiff abseits flanke pass schuss
        gericht richter urteil anwalt vertrag zeuge berufung klausel gesetz prozess klage haft zelle eid kaution recht
        markt bank aktie anleihe kredit zins dividende gewinn fonds steuer konto note schuld makler haushalt münze
        garten wurzel samen boden rose hecke kompost blume strauch rasen zwiebel zweig unkraut spaten obst apfel
        schiff segel mast anker hafen wind flut deck strömung ruder kajüte rumpf kapitän kiel riff boje
        zug gleis bahnhof signal lokomotive wagen bahnsteig fahrkarte tunnel weiche fracht schiene brücke schaffner dampf kessel
        server netz datenbank kern speicher paket compiler abfrage faden puffer index verbund schalter zeiger befehl wurzel
        gestein kruste lava mineral gletscher becken bank quarz sediment schlucht fossil platte magma grat schicht höhle"""),
    endings=line("""
        werk haus feld zeit kunst buch weg rand stück kreis lehre meister stelle bau dienst raum karte probe größe höhe führer
        gerät tür jahr"""),
    joints=(" und ", " oder ", " für ", ": "),
    questions=("wie wird {} durch {} und {}", "{} mit {} oder {}", "was ist {} bei {} und {}", "{} {} {}", "{} für {} und {}"),
    nouns_capital=True,
)

FRENCH = Language(
    code="fr",
    function=line("""
        de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ou son aux cette ont
        mais comme on tout nous sa même ces si leur deux aussi elle très où être fait sans entre après"""),
    general=line("""
        temps année jour homme monde chose vie main heure fois moment façon côté idée élève frère mère père tête fenêtre forêt
        été manière matière société vérité qualité histoire raison travail pays ville nuit soirée matinée journée espèce siècle
        problème système théorie métier intérêt début français près loin voilà déjà surtout bientôt toujours"""),
    stems=lines("""
        étoile planète comète lune galaxie télescope orbite éclipse nébuleuse météore lentille cratère ciel horizon signal sonde
        patient cellule fièvre pouls vaccin clinique dose cœur chirurgien blessure os nerf poumon sang remède infirmier
        cuisine pain oignon poivre four beurre sauce cuillère farine ail citron recette soupe sel pâte poêle
        chanson note accord violon tambour rythme chanteur chœur piano corde tempo gamme scène flûte mélodie basse
        but joueur arbitre ligue entraîneur gardien corner pénalty défenseur stade équipe filet sifflet passe tir ballon
        tribunal juge verdict avocat contrat témoin appel clause loi procès plainte jury prison cellule caution serment
        marché banque action obligation crédit prêt dividende profit fonds impôt compte note dette courtier budget monnaie
        jardin racine graine terre rose haie compost fleur arbuste pelouse bulbe branche herbe bêche fruit verger
        navire voile mât ancre port vent marée pont courant gouvernail cabine coque capitaine quille récif bouée
        train voie gare signal moteur wagon quai billet tunnel conducteur aiguillage fret rail pont vapeur locomotive
        serveur réseau base noyau port racine mémoire paquet compilateur requête fil cache index grappe curseur clavier
        roche faille croûte lave minéral glacier bassin banc quartz sédiment canyon fossile plaque magma crête couche"""),
    endings=line("""
        age ier iste erie ement eur ette aison able ique eux oir et ard ade ière esse ation el eau in ois ure iné"""),
    joints=(" et ", " ou ", " pour ", " : "),
    questions=("comment {} change {} et {}", "{} avec {} ou {}", "{} de {} dans {}", "{} {} {}", "où est {} pour {} et {}"),
    silent="eéao",
)

LANGUAGES = (ENGLISH, GERMAN, FRENCH)
